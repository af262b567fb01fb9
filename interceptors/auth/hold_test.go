package auth_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// held runs a handler under Hold. It returns why cut was called, nil where it was
// not, and what Hold returns.
func held(ctx context.Context, guard *auth.Guard, handle func(context.Context, *auth.Stream)) (cut *auth.Error, err error) {
	err = guard.Hold(ctx, handle, func(refusal *auth.Error) { cut = refusal })
	return cut, err
}

func TestHoldEndsWithTheLease(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(w *world)
		want auth.Reason
	}{
		"the token expires":      {func(*world) {}, auth.TokenExpired},
		"the session is revoked": {func(w *world) { w.revocations.revoke("sess_1") }, auth.TokenRevoked},
		"the caller is demoted": {func(w *world) {
			demoted := issued(time.Second)
			demoted.Roles = nil
			w.ping(demoted)
		}, auth.RoleRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader"})
				ctx := w.open()
				var cause error
				cut, err := held(ctx, w.guard, func(ctx context.Context, _ *auth.Stream) {
					go test.end(w)
					cause = idle(ctx)
				})
				want := &auth.Error{Reason: test.want}
				if !errors.Is(err, want) || !errors.Is(cause, want) || cut == nil || cut.Reason != test.want {
					t.Errorf("Hold %v, the handler %v, cut %v; want %v", err, cause, cut, test.want)
				}
				if seen := w.refusals(); len(seen) != 1 || seen[0].Refusal.Reason != test.want {
					t.Errorf("observed %v; want one refusal for %v", seen, test.want)
				}
				synctest.Wait()
			})
		})
	}
}

func TestHoldGoesOnWhenTheSessionRenews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		cut, err := held(ctx, w.guard, func(ctx context.Context, stream *auth.Stream) {
			pass(50 * time.Second)
			w.ping(issued(0))
			pass(50 * time.Second)
			if err := stream.Check(); err != nil || ctx.Err() != nil {
				t.Errorf("%v, %v; want a lease that goes on", err, ctx.Err())
			}
		})
		if err != nil || cut != nil || len(w.refusals()) != 0 {
			t.Errorf("Hold %v, cut %v, refusals %v; want none", err, cut, w.refusals())
		}
	})
}

// TestCheckDoesNotWaitForTheTimer has the clock of the guard set, which no timer
// sees at once.
func TestCheckDoesNotWaitForTheTimer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		terms auth.StreamTerms
		want  auth.Reason
	}{
		"renewable":    {auth.StreamTerms{}, auth.TokenExpired},
		"until expiry": {auth.StreamTerms{Lease: auth.LeaseUntilExpiry}, auth.TokenExpired},
		"at open":      {auth.StreamTerms{Lease: auth.LeaseAtOpen}, auth.AuthFailure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, streamRule{terms: test.terms})
			var ahead time.Duration
			start := time.Now()
			w.guard.Now = func() time.Time { return start.Add(ahead) }
			ctx := w.open()
			var checked error
			_, err := held(ctx, w.guard, func(_ context.Context, stream *auth.Stream) {
				ahead = 2 * time.Minute
				checked = stream.Check()
			})
			if test.want == auth.AuthFailure {
				if err != nil || checked != nil {
					t.Errorf("Hold %v, Check %v; want none", err, checked)
				}
				return
			}
			if want := (&auth.Error{Reason: test.want}); !errors.Is(err, want) || !errors.Is(checked, want) {
				t.Errorf("Hold %v, Check %v; want %v", err, checked, test.want)
			}
		})
	}
}

func TestALeaseThatHasEndedCallsNoHandler(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	ctx := w.open()
	w.revocations.revoke("sess_1")
	cut, err := held(ctx, w.guard, func(_ context.Context, _ *auth.Stream) { t.Error("the handler ran") })
	if !errors.Is(err, &auth.Error{Reason: auth.TokenRevoked}) || cut == nil || cut.Reason != auth.TokenRevoked {
		t.Errorf("Hold %v, cut %v; want %v", err, cut, auth.TokenRevoked)
	}
}

func TestALeaseIsHeldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	ctx := w.open()
	_, err := held(ctx, w.guard, func(_ context.Context, _ *auth.Stream) {
		cut, again := held(ctx, w.guard, func(_ context.Context, _ *auth.Stream) { t.Error("the handler ran again") })
		if reason, ok := auth.ReasonOf(again); !ok || reason != auth.AuthFailure || cut != nil {
			t.Errorf("Hold %v, cut %v; want %v", again, cut, auth.AuthFailure)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestHoldingAnEndedLeaseReturnsWhyItEnded holds a request a second time, after its
// lease has ended.
func TestHoldingAnEndedLeaseReturnsWhyItEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	ctx := w.open()
	_, err := held(ctx, w.guard, func(handling context.Context, _ *auth.Stream) {
		w.revocations.revoke("sess_1")
		<-handling.Done()
		cut, again := held(ctx, w.guard, func(context.Context, *auth.Stream) { t.Error("the handler ran again") })
		if reason, ok := auth.ReasonOf(again); !ok || reason != auth.TokenRevoked || cut != nil {
			t.Errorf("Hold %v, cut %v; want %v", again, cut, auth.TokenRevoked)
		}
	})
	if reason, _ := auth.ReasonOf(err); reason != auth.TokenRevoked {
		t.Errorf("Hold %v; want %v", err, auth.TokenRevoked)
	}
}

// TestAClientThatLeftIsNotRefused has the lease end after the client has left.
func TestAClientThatLeftIsNotRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		ctx, leave := context.WithCancel(ctx)
		cut, err := held(ctx, w.guard, func(_ context.Context, _ *auth.Stream) {
			leave()
			pass(66 * time.Second)
		})
		if !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) || cut == nil || len(w.refusals()) != 0 {
			t.Errorf("Hold %v, cut %v, refusals %v; want an end that nobody observes", err, cut, w.refusals())
		}
	})
}

// TestHoldEndsItsGoroutineAsTheHandlerDoes by a panic, and by runtime.Goexit.
func TestHoldEndsItsGoroutineAsTheHandlerDoes(t *testing.T) {
	t.Parallel()
	mine := any(errors.New("mine"))
	for name, leave := range map[string]func(){"a panic": func() { panic(mine) }, "an exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, streamRule{})
			ctx := w.open()
			recovered := make(chan any, 1)
			go func() {
				defer func() { recovered <- recover() }()
				_, _ = held(ctx, w.guard, func(_ context.Context, _ *auth.Stream) { leave() })
				t.Error("Hold has returned")
			}()
			if got := <-recovered; got != nil && got != mine {
				t.Errorf("panic %v; want %v", got, mine)
			}
			if err := w.guard.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAPanicInCutIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	ctx := w.open()
	err := w.guard.Hold(ctx, func(ctx context.Context, _ *auth.Stream) {
		w.revocations.revoke("sess_1")
		<-ctx.Done()
	}, func(*auth.Error) { panic("boom") })
	if !errors.Is(err, &auth.Error{Reason: auth.TokenRevoked}) {
		t.Errorf("Hold %v; want %v", err, auth.TokenRevoked)
	}
}
