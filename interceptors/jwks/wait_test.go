package jwks

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhicheverFetchBringsTheKeysEndsTheWait: a caller joins the newest fetch,
// which hangs, and the one before it brings the keys.
func TestWhicheverFetchBringsTheKeysEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(slowly(3*time.Second, issuer.setOf(t, "first")))
		keys := issuer.remote(t)
		synctest.Wait()
		issuer.answerWith(hang)
		pass(2900 * time.Millisecond)
		if n := issuer.requests.Load(); n != 2 {
			t.Fatalf("%d fetches, want the second beside the first", n)
		}
		start := time.Now()
		if err := lookup(t, keys, "first"); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("waited %v, want until the keys came after 100ms", waited)
		}
	})
}

// TestAnOlderAnswerDoesNotEndTheWaitForANewKey: the refresh that is under way left
// before the key was published, and the caller's own fetch after.
func TestAnOlderAnswerDoesNotEndTheWaitForANewKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		synctest.Wait()
		issuer.answerWith(slowly(time.Second, issuer.setOf(t, "first")))
		pass(time.Until(keys.Status().NextFetch) + 300*time.Millisecond)
		issuer.answerWith(slowly(2*time.Second, issuer.setOf(t, "second")))
		start := time.Now()
		if err := lookup(t, keys, "second"); err != nil {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if n := issuer.requests.Load(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// TestNobodyWaitsForAThirdFetch, even where the cool-down allows one: the second
// left after the caller came, and what it does not bring is unknown.
func TestNobodyWaitsForAThirdFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.answerWith(slowly(time.Second, issuer.setOf(t, "first")))
		keys := newRemote(t, RemoteConfig{URL: issuer.url, Client: issuer.client, Cooldown: time.Millisecond})
		synctest.Wait()
		start := time.Now()
		if err := lookup(t, keys, "unknown"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v, want ErrUnknownKey", err)
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %v, want the 1s of two fetches each", waited)
		}
	})
}

// TestAJoinedFetchThatFailsIsTheLast: who joined a fetch that hung does not start
// another one to hang on.
func TestAJoinedFetchThatFailsIsTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		synctest.Wait()
		issuer.answerWith(hang)
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				start := time.Now()
				if err := lookup(t, keys, "unknown"); !errors.Is(err, ErrUnavailable) {
					t.Errorf("%v, want ErrUnavailable", err)
				}
				if waited := time.Since(start); waited != 5*time.Second {
					t.Errorf("waited %v, want one FetchTimeout of 5s", waited)
				}
			})
		}
		calls.Wait()
	})
}

// TestWhoComesSoonEnoughJoins the fetch that is under way; who comes later has one
// of their own.
func TestWhoComesSoonEnoughJoins(t *testing.T) {
	t.Parallel()
	for late, fetches := range map[time.Duration]int64{joinWindow: 2, joinWindow + 1: 3} {
		synctest.Test(t, func(t *testing.T) {
			issuer := newBubble(t)
			keys := issuer.remote(t)
			synctest.Wait()
			issuer.answerWith(hang)
			var calls sync.WaitGroup
			calls.Go(func() { _ = lookup(t, keys, "one") })
			pass(late)
			calls.Go(func() { _ = lookup(t, keys, "other") })
			synctest.Wait()
			if n := issuer.requests.Load(); n != fetches {
				t.Errorf("after %v: %d fetches, want %d", late, n, fetches)
			}
			calls.Wait()
		})
	}
}

// TestKeysThatCameInTheMeantimeMakeNoFetch: between the first look and the next,
// with the lock taken, the keys may have come.
func TestKeysThatCameInTheMeantimeMakeNoFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		synctest.Wait()
		if result := keys.nextResult(&caller{hint: Hint{KeyID: "first", Algorithm: "ES256"}}); result != nil {
			t.Error("a caller whose key is there is to wait")
		}
		synctest.Wait()
		if n := issuer.requests.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

// stuck is a log handler that asks for the Status and then hangs.
type stuck struct {
	slog.Handler
	keys    *atomic.Pointer[Remote]
	release <-chan struct{}
}

func (s stuck) Enabled(context.Context, slog.Level) bool { return true }

func (s stuck) Handle(context.Context, slog.Record) error {
	if keys := s.keys.Load(); keys != nil {
		keys.Status()
	}
	<-s.release
	return nil
}

func TestALoggerThatHangsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		set, proceed, release := issuer.setOf(t, "first"), make(chan struct{}), make(chan struct{})
		issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
			<-proceed
			set(w, r)
		})
		var remote atomic.Pointer[Remote]
		keys := newRemote(t, RemoteConfig{
			URL: issuer.url, Client: issuer.client,
			Logger: slog.New(stuck{slog.DiscardHandler, &remote, release}),
		})
		remote.Store(keys)
		close(proceed)
		start := time.Now()
		if err := lookup(t, keys, "first"); err != nil {
			t.Error(err)
		}
		if err := lookup(t, keys, "unknown"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v, want ErrUnknownKey", err)
		}
		if !keys.Status().Ready || time.Since(start) != 0 {
			t.Errorf("ready %v after %v", keys.Status().Ready, time.Since(start))
		}
		close(release)
	})
}
