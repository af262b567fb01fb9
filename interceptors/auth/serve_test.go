package auth_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// open returns the context of an admitted stream.
func (w *world) open() context.Context {
	w.t.Helper()
	return w.call(issued(0), watch, auth.BidiStream)
}

func TestServeReturnsTheHandlersErrorWhileTheLeaseRuns(t *testing.T) {
	t.Parallel()
	failure := errors.New("disk full")
	for name, want := range map[string]error{"nil": nil, "an error": failure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, streamRule{})
			ctx := w.open()
			cause := make(chan error, 1)
			got := w.guard.Serve(ctx, func(ctx context.Context, _ *auth.Stream) error {
				context.AfterFunc(ctx, func() { cause <- context.Cause(ctx) })
				if n := w.guard.OpenStreams(); n != 1 {
					t.Errorf("%d streams are open; want this one", n)
				}
				return want
			}, nil)
			if n := w.guard.OpenStreams(); n != 0 {
				t.Errorf("%d streams are open; want none", n)
			}
			if !errors.Is(got, want) || len(w.refusals()) != 0 {
				t.Errorf("Serve = %v, refusals %v; want %v, none", got, w.refusals(), want)
			}
			if err := <-cause; !errors.Is(err, context.Canceled) {
				t.Errorf("the handler's context ended because of %v; want %v", err, context.Canceled)
			}
		})
	}
}

func TestServeReturnsTheHandlersErrorWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		ctx, leave := context.WithCancelCause(ctx)
		gone := errors.New("gone")
		leave(gone)
		err := w.guard.Serve(ctx, func(ctx context.Context, stream *auth.Stream) error {
			pass(time.Second) // before it looks
			return context.Cause(ctx)
		}, nil)
		if !errors.Is(err, gone) || len(w.refusals()) != 0 {
			t.Errorf("Serve = %v, refusals %v; want %v, none", err, w.refusals(), gone)
		}
	})
}

// A transport may let a handler wait for a message after the time-out of the client
// has passed.
func TestATimeoutOfTheClientDoesNotExtendTheLease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		revoke bool
		want   auth.Reason
		after  time.Duration
	}{
		"the token expires": {false, auth.TokenExpired, 65 * time.Second},
		"it is revoked":     {true, auth.TokenRevoked, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{})
				opened, stuck := time.Now(), make(chan struct{})
				defer close(stuck)
				ctx, cancel := context.WithTimeout(w.call(issued(0), watch, auth.BidiStream), time.Second)
				defer cancel()
				ended := w.serveIn(ctx, func(context.Context) error { <-stuck; return nil })
				pass(10 * time.Second)
				if tt.revoke {
					w.revocations.revoke("sess_1")
				}
				err := <-ended
				if reason, _ := auth.ReasonOf(err); reason != tt.want || time.Since(opened) != tt.after {
					t.Errorf("Serve = %v after %v; want %v after %v", err, time.Since(opened), tt.want, tt.after)
				}
			})
		})
	}
}

func TestAMessageThatArrivesAfterTheLeaseIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	ctx := w.open()
	err := w.guard.Serve(ctx, func(ctx context.Context, stream *auth.Stream) error {
		if err := stream.Received("in time"); err != nil {
			t.Errorf("Received = %v; want nil", err)
		}
		w.revocations.revoke("sess_1")
		<-ctx.Done()
		if reason, _ := auth.ReasonOf(stream.Received("late")); reason != auth.TokenRevoked {
			t.Errorf("reason %v; want %v", reason, auth.TokenRevoked)
		}
		return nil
	}, nil)
	if reason, _ := auth.ReasonOf(err); reason != auth.TokenRevoked {
		t.Errorf("Serve = %v; want %v", err, auth.TokenRevoked)
	}
}

// TestTheFirstMessageIsRefusedAfterTheLease sets the clock of the guard, which no timer
// notices at once, before a stream has received anything and after.
func TestTheFirstMessageIsRefusedAfterTheLease(t *testing.T) {
	t.Parallel()
	const taken = auth.Reason(255)
	for name, tt := range map[string]struct {
		shape   auth.StreamType
		terms   auth.StreamTerms
		earlier int // messages that came in time
		want    auth.Reason
	}{
		"the first":                           {auth.BidiStream, auth.StreamTerms{}, 0, auth.TokenExpired},
		"the second":                          {auth.BidiStream, auth.StreamTerms{}, 1, taken},
		"the first, decided at open":          {auth.BidiStream, auth.StreamTerms{Lease: auth.LeaseAtOpen}, 0, taken},
		"the request of a server stream":      {auth.ServerStream, auth.StreamTerms{}, 0, auth.TokenExpired},
		"the request, decided at open":        {auth.ServerStream, auth.StreamTerms{Lease: auth.LeaseAtOpen}, 0, auth.TokenExpired},
		"the third, where two came in time":   {auth.ClientStream, auth.StreamTerms{}, 2, taken},
		"the first of a stream of the client": {auth.ClientStream, auth.StreamTerms{}, 0, auth.TokenExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, streamRule{terms: tt.terms})
			var ahead time.Duration
			start := time.Now()
			w.guard.Now = func() time.Time { return start.Add(ahead) }
			ctx := w.call(issued(0), watch, tt.shape)
			var received error
			_, _ = held(ctx, w.guard, func(_ context.Context, stream *auth.Stream) {
				for range tt.earlier {
					if err := stream.Received("in time"); err != nil {
						t.Error(err)
					}
				}
				ahead = 2 * time.Minute
				received = stream.Received("late")
			})
			reason, refused := auth.ReasonOf(received)
			if tt.want == taken && received != nil || tt.want != taken && (!refused || reason != tt.want) {
				t.Errorf("Received = %v; want %v", received, tt.want)
			}
		})
	}
}

func TestServePanicsAsTheHandlerDoes(t *testing.T) {
	t.Parallel()
	failure := errors.New("disk full")
	serve := func(t *testing.T, value any) (p any) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		defer func() { p = recover() }()
		err := w.guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error { panic(value) }, nil)
		t.Errorf("Serve = %v; want a panic", err)
		return nil
	}
	t.Run("with its value and the handler's stack", func(t *testing.T) {
		t.Parallel()
		p, ok := serve(t, failure).(*auth.PanicError)
		if !ok || p.Value != any(failure) || !errors.Is(p, failure) || !strings.Contains(p.Error(), "TestServePanicsAsTheHandlerDoes") {
			t.Errorf("panic %v; want one of %v with its stack", p, failure)
		}
	})
	t.Run("whatever the value", func(t *testing.T) {
		t.Parallel()
		p, ok := serve(t, "boom").(*auth.PanicError)
		if !ok || p.Value != "boom" || p.Unwrap() != nil {
			t.Errorf("panic %v; want one of boom", p)
		}
	})
	t.Run("but the one that net/http knows as it is", func(t *testing.T) {
		t.Parallel()
		if p := serve(t, http.ErrAbortHandler); p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			t.Errorf("panic %v; want %v", p, http.ErrAbortHandler)
		}
	})
}

func TestServeExitsItsGoroutineAsTheHandlerDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	ctx := w.open()
	exited := make(chan bool)
	go func() {
		returned := false
		defer func() { exited <- !returned && recover() == nil }()
		_ = w.guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error { runtime.Goexit(); return nil }, nil)
		returned = true
	}()
	if !<-exited {
		t.Error("Serve returned")
	}
}

// TestServeReturnsEvenIfTheHandlerDoesNot also has the handler panic after Serve has
// returned.
func TestServeReturnsEvenIfTheHandlerDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		release := make(chan struct{})
		err := w.guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error {
			<-release
			if stream.Err() == nil || stream.Send(never) == nil {
				t.Error("the handler may still send")
			}
			panic(http.ErrAbortHandler)
		}, nil)
		if reason, _ := auth.ReasonOf(err); reason != auth.TokenExpired {
			t.Errorf("Serve = %v; want %v", err, auth.TokenExpired)
		}

		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.guard.Drain(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain = %v while the handler runs; want %v", err, context.DeadlineExceeded)
		}
		close(release)
		if err := w.guard.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v; want nil", err)
		}
		if err := w.guard.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v when nothing runs; want nil", err)
		}
	})
}

func never() error { panic("nothing is sent any more") }

func TestServeWaitsForAMessageBeingSentAndThenAbortsIt(t *testing.T) {
	t.Parallel()
	const expires, grace = 65 * time.Second, time.Second
	for _, tt := range []struct {
		name  string
		takes time.Duration // to send, from when the lease ends
		want  time.Duration // until Serve returns, from then
		abort bool
	}{
		{"one that is sent in time", grace / 2, grace / 2, false},
		{"one that is not", time.Hour, grace, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{})
				ctx := w.open()
				opened := time.Now()
				stuck := make(chan struct{})
				aborted := false
				err := w.guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error {
					return stream.Send(func() error {
						select {
						case <-stuck:
						case <-time.After(expires + tt.takes):
						}
						return nil
					})
				}, func() { aborted = true; close(stuck) })
				if reason, _ := auth.ReasonOf(err); reason != auth.TokenExpired {
					t.Errorf("Serve = %v; want %v", err, auth.TokenExpired)
				}
				if waited := time.Since(opened) - expires; waited != tt.want || aborted != tt.abort {
					t.Errorf("waited for %v, aborted %t; want %v, %t", waited, aborted, tt.want, tt.abort)
				}
			})
		})
	}
}

func TestServeWithoutAbortDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		stuck := make(chan struct{})
		err := w.guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error {
			return stream.Send(func() error { <-stuck; return nil })
		}, nil)
		if reason, _ := auth.ReasonOf(err); reason != auth.TokenExpired {
			t.Errorf("Serve = %v; want %v", err, auth.TokenExpired)
		}
		close(stuck)
	})
}

func TestAMessageThatIsRefusedEndsTheStream(t *testing.T) {
	t.Parallel()
	guard := &auth.Guard{Authenticator: failing(auth.TokenMissing), Policy: rules{onlyHello{}}}
	ctx, err := guard.Admit(t.Context(), auth.Call{Stream: auth.ClientStream, Messages: true})
	if err != nil {
		t.Fatal(err)
	}
	err = guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error {
		if err := stream.Received("hello"); err != nil {
			t.Errorf("Received = %v; want nil", err)
		}
		_ = stream.Received("goodbye")
		return nil // as if the client had sent all that it has
	}, nil)
	if reason, _ := auth.ReasonOf(err); reason != auth.ConditionNotMet {
		t.Errorf("Serve = %v; want %v", err, auth.ConditionNotMet)
	}
}

func TestAStreamThatIsServedTwiceHasOneLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		ctx := w.open()
		err := w.guard.Serve(ctx, func(ctx context.Context, stream *auth.Stream) error {
			return w.guard.Serve(ctx, func(ctx context.Context, again *auth.Stream) error {
				if again != stream {
					t.Error("it has another lease")
				}
				return idle(ctx)
			}, nil)
		}, nil)
		if err := w.guard.Serve(ctx, bare(idle), nil); !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) {
			t.Errorf("Serve = %v when it is over; want %v", err, auth.TokenExpired)
		}
		if reason, _ := auth.ReasonOf(err); reason != auth.TokenExpired || len(w.refusals()) != 1 {
			t.Errorf("Serve = %v with refusals %v; want %v once", err, w.refusals(), auth.TokenExpired)
		}
	})
}

func TestOnlyAnAdmittedStreamIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamRule{})
	for name, ctx := range map[string]context.Context{
		"a context of nothing":  t.Context(),
		"a context for testing": auth.NewContext(t.Context(), issued(0)),
		"a unary call":          w.call(issued(0), watch, auth.Unary),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := w.guard.Serve(ctx, func(context.Context, *auth.Stream) error { t.Error("the handler ran"); return nil }, nil)
			if !errors.Is(err, &auth.Error{Reason: auth.AuthFailure}) {
				t.Errorf("Serve = %v; want %v", err, auth.AuthFailure)
			}
		})
	}
}

func TestTheHandlerSeesTheLatestIdentity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		first := issued(0)
		ctx := w.open()
		done := make(chan error, 1)
		go func() {
			done <- w.guard.Serve(ctx, func(ctx context.Context, stream *auth.Stream) error {
				id, changed := auth.WatchIdentity(ctx)
				if !id.IssuedAt.Equal(first.IssuedAt) {
					t.Errorf("at first the token is of %v; want %v", id.IssuedAt, first.IssuedAt)
				}
				<-changed
				second, changed := auth.WatchIdentity(ctx)
				current, known := auth.CurrentIdentity(ctx)
				if opened := auth.MustFromContext(ctx); opened != id || current != second || auth.MustCurrentIdentity(ctx) != second || !known || !newer(second, id) {
					t.Errorf("opened by %p, now %p and %p; want %p and a newer one", opened, second, current, id)
				}
				select {
				case <-changed:
					t.Error("it changed again")
				case <-ctx.Done():
				}
				return nil
			}, nil)
		}()
		pass(time.Second)
		w.ping(issued(0))
		if err := <-done; err == nil {
			t.Error("the stream ended without an error")
		}
	})
}

func newer(a, b *auth.Identity) bool { return a.IssuedAt.After(b.IssuedAt) }

func TestWatchOfAnIdentityThatNeverChanges(t *testing.T) {
	t.Parallel()
	id := issued(0)
	for name, tt := range map[string]struct {
		ctx  context.Context
		want *auth.Identity
	}{
		"nobody":         {t.Context(), nil},
		"an anonymous":   {auth.NewContext(t.Context(), nil), nil},
		"a unary caller": {auth.NewContext(t.Context(), id), id},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, changed := auth.WatchIdentity(tt.ctx)
			current, known := auth.CurrentIdentity(tt.ctx)
			if got != tt.want || changed != nil || current != tt.want || known != (tt.want != nil) {
				t.Errorf("Watch = %v, %v; Current = %v, %t; want %v", got, changed, current, known, tt.want)
			}
		})
	}
}
