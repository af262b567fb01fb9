package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestARevocationWhileAStreamOpensEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.call(issued(0), watch, auth.BidiStream)
		w.revocations.revoke("sess_1") // before anybody watches
		err := w.guard.Serve(ctx, bare(func(context.Context) error { t.Error("the handler ran"); return nil }), nil)
		if reason, _ := auth.ReasonOf(err); reason != auth.TokenRevoked {
			t.Errorf("ended with %v; want %v", err, auth.TokenRevoked)
		}
	})
}

func TestARevocationEndsOnlyTheStreamsThatItConcerns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		mine := w.serve(issued(0), idle)
		id := issued(0)
		id.SessionID = "sess_2"
		other := w.serve(id, idle)
		w.revocations.revoke("sess_2")
		synctest.Wait()
		if len(mine) != 0 || len(other) != 1 {
			t.Errorf("%d and %d ended; want the second alone", len(mine), len(other))
		}
	})
}

func TestAPanicInACheckEndsOnlyThatStream(t *testing.T) {
	t.Parallel()
	for session, event := range map[string]func(*world){
		"sess_1": func(w *world) { // in the rule, since the newer token lacks the role
			pass(time.Second)
			w.ping(issued(0))
		},
		"panic": func(w *world) { w.revocations.revoke("sess_2") },
	} {
		t.Run("of the session "+session, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "panic"})
				id := issued(0)
				id.Roles, id.SessionID = []string{"panic"}, session
				ended := w.serve(id, idle)
				event(w)
				err := <-ended
				if reason, _ := auth.ReasonOf(err); reason != auth.AuthFailure {
					t.Errorf("ended with %v; want %v", err, auth.AuthFailure)
				}
			})
		})
	}
}

// aging are Revocations that grow too old without calling a watcher.
type aging struct{ since time.Time }

func (a aging) Revoked(*auth.Identity) error {
	if time.Since(a.since) > 90*time.Second {
		return auth.NewError(auth.RevocationsStale, nil)
	}
	return nil
}

func (aging) Watch(func()) (stop func()) { return func() {} }

func TestAStreamIsCheckedEveryMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		opened, id := time.Now(), issued(0)
		id.ExpiresAt = opened.Add(2 * time.Hour)
		w.guard.Revocations = aging{opened}
		err := <-w.serve(id, idle)
		if reason, _ := auth.ReasonOf(err); reason != auth.RevocationsStale || time.Since(opened) != 2*time.Minute {
			t.Errorf("the stream ended with %v after %v; want %v after 2m", err, time.Since(opened), auth.RevocationsStale)
		}
	})
}
