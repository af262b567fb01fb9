package bounds

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waited returns how long a refusal of a peer waits.
func waited(t *testing.T, r *Refusals, peer string) time.Duration {
	t.Helper()
	began := time.Now()
	r.Wait(t.Context(), peer)
	return time.Since(began)
}

func TestStrangersWhoAreRefusedWithoutPauseWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Refusals{MaxWaiting: 2, Exempt: func(peer string) bool { return peer == "10.0.0.9:1" }}
		for range refusalsAtOnce {
			if w := waited(t, r, "10.0.0.1:1"); w > 0 {
				t.Fatalf("one within the allowance waits %v", w)
			}
		}
		if w := waited(t, r, "10.0.0.1:2"); w != refusalDelay {
			t.Errorf("the next, on another connection, waits %v; want %v", w, refusalDelay)
		}
		for _, peer := range []string{"10.0.0.2:1", "10.0.0.9:1", "@socket"} {
			if w := waited(t, r, peer); w > 0 {
				t.Errorf("%s waits %v, though another address was refused", peer, w)
			}
		}
		<-time.After(time.Minute)
		if w := waited(t, r, "10.0.0.1:1"); w > 0 {
			t.Errorf("one after a pause waits %v", w)
		}
	})
}

func TestNoMoreRefusalsAreDelayedThanMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Refusals{MaxWaiting: 2}
		ctx, leave := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for range refusalsAtOnce + 2 {
			callers.Go(func() { r.Wait(ctx, "[2001:db8::1]:1") })
		}
		synctest.Wait()
		if w := waited(t, r, "[2001:db8::2]:1"); w > 0 {
			t.Errorf("a third of the network waits %v; want none", w)
		}
		leave() // the callers hang up
		callers.Wait()
		if w := waited(t, r, "[2001:db8::3]:1"); w != refusalDelay || r.DelayedTotal() != 3 {
			t.Errorf("one waits %v after two have gone, %d were delayed; want a second, and 3", w, r.DelayedTotal())
		}
	})
}
