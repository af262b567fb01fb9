package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// fragile is everything that a guard calls. It panics in the method that panics names.
type fragile struct {
	panics string
	when   atomic.Bool
	key    atomic.Bool // whether the key was withdrawn
	watch  func()      // calls the watcher
}

func (f *fragile) at(place string) {
	if f.panics == place && f.when.Load() {
		panic("boom")
	}
}

func (f *fragile) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	f.at("Authenticate")
	id := issued(0)
	id.Key = f
	return id, nil
}

func (f *fragile) Withdrawn() error {
	f.at("Withdrawn")
	if f.key.Load() {
		return auth.NewError(auth.KeyUnknown, nil)
	}
	return nil
}

func (f *fragile) Watch(changed func()) func() {
	f.at("Watch")
	f.watch = changed
	return func() {}
}

func (f *fragile) Revoked(*auth.Identity) error { f.at("Revoked"); return nil }

func (f *fragile) Rule(string) auth.Rule { f.at("Rule"); return f }

func (f *fragile) Check(*auth.Identity) error { f.at("Check"); return nil }

func (f *fragile) CheckMessage(*auth.Identity, any) error { f.at("CheckMessage"); return nil }

func (f *fragile) Stream() auth.StreamTerms { f.at("Stream"); return auth.StreamTerms{} }

func (f *fragile) Observe(context.Context, auth.Decision) { f.at("Observe") }

func (f *fragile) now() time.Time { f.at("Now"); return time.Now() }

func (f *fragile) guard() *auth.Guard {
	return &auth.Guard{Authenticator: f, Policy: f, Revocations: f, Observer: f, Now: f.now}
}

func isFailure(err error) bool { return errors.Is(err, &auth.Error{Reason: auth.AuthFailure}) }

func TestAPanicDuringAdmissionIsOurFailure(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Authenticate", "Revoked", "Rule", "Check", "Stream", "Watch", "Now", "Observe"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fragile{panics: place}
				f.when.Store(true)
				guard := f.guard()
				call := auth.Call{Procedure: watch, Stream: auth.ServerStream, Messages: true}
				if _, err := guard.Admit(t.Context(), call); !isFailure(err) {
					t.Errorf("Admit = %v; want %v", err, auth.AuthFailure)
				}
				// The next stream is as if there had been none: above all, it is watched.
				f.when.Store(false)
				ctx, err := guard.Admit(t.Context(), call)
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- guard.Serve(ctx, bare(idle), nil) }()
				synctest.Wait()
				f.key.Store(true)
				f.watch()
				if err := <-ended; !errors.Is(err, &auth.Error{Reason: auth.KeyUnknown}) {
					t.Errorf("the stream ended with %v; want %v", err, auth.KeyUnknown)
				}
			})
		})
	}
}

func TestAPanicWhileARequestIsCheckedIsOurFailure(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Now", "Withdrawn", "Revoked", "CheckMessage"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			f := &fragile{panics: place}
			guard := f.guard()
			ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: watch, Messages: true})
			if err != nil {
				t.Fatal(err)
			}
			f.when.Store(true)
			if err := guard.CheckRequest(ctx, "hello"); !isFailure(err) {
				t.Errorf("CheckRequest = %v; want %v", err, auth.AuthFailure)
			}
		})
	}
}

func TestAPanicWhileAStreamIsOpenIsOurFailure(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Now", "Withdrawn", "Revoked", "CheckMessage"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fragile{panics: place}
				guard := f.guard()
				ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: watch, Stream: auth.BidiStream, Messages: true})
				if err != nil {
					t.Fatal(err)
				}
				messages := make(chan any)
				ended := make(chan error, 1)
				go func() {
					ended <- guard.Serve(ctx, func(ctx context.Context, stream *auth.Stream) error {
						select {
						case message := <-messages:
							return stream.Received(message)
						case <-ctx.Done():
							return context.Cause(ctx)
						}
					}, nil)
				}()
				synctest.Wait()
				f.when.Store(true)
				switch place {
				case "CheckMessage":
					messages <- "hello"
				case "Withdrawn", "Revoked":
					f.watch()
				}
				if err := <-ended; !isFailure(err) {
					t.Errorf("the stream ended with %v; want %v", err, auth.AuthFailure)
				}
			})
		})
	}
}

// TestAnEndedStreamDoesNotAffectAnother uses a stream that its handler has kept.
func TestAnEndedStreamDoesNotAffectAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		other := w.serve(issued(0), idle)
		var kept *auth.Stream
		ctx := w.open()
		if err := w.guard.CheckRequest(ctx, "before it is served"); err != nil {
			t.Error(err)
		}
		if err := w.guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error { kept = stream; return nil }, nil); err != nil {
			t.Fatal(err)
		}
		w.revocations.revoke("nothing of this")
		_ = kept.Received("late")
		_ = kept.Send(func() error { return nil })
		if err := w.guard.Serve(ctx, bare(idle), nil); !isFailure(err) {
			t.Errorf("Serve = %v when it is over; want %v", err, auth.AuthFailure)
		}
		if synctest.Wait(); len(other) != 0 {
			t.Errorf("another stream ended with %v", <-other)
		}
		w.revocations.revoke("sess_1")
		if reason, _ := auth.ReasonOf(<-other); reason != auth.TokenRevoked {
			t.Errorf("the other stream ended with %v; want %v", reason, auth.TokenRevoked)
		}
	})
}

// slowRule is a rule that does not answer about a caller without a role.
type slowRule struct {
	streamRule

	stuck chan struct{}
}

func (r slowRule) Rule(string) auth.Rule { return r }

func (r slowRule) Check(id *auth.Identity) error {
	if len(id.Roles) == 0 {
		<-r.stuck
	}
	return nil
}

func TestASlowRuleDoesNotKeepAStreamOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		stuck := make(chan struct{})
		w.guard.Policy = slowRule{stuck: stuck}
		opened := time.Now()
		ended := w.serve(issued(0), idle)
		pass(30 * time.Second)
		go func() {
			id := issued(0)
			id.Roles = nil
			w.ping(id)
		}()
		if err := <-ended; err == nil || time.Since(opened) != 65*time.Second {
			t.Errorf("the stream ended with %v after %v; want after 65s", err, time.Since(opened))
		}
		close(stuck)
	})
}

// revocationsThatCount counts their watchers.
type revocationsThatCount struct {
	*fragile

	watchers atomic.Int64
}

func (r *revocationsThatCount) Watch(func()) func() {
	r.watchers.Add(1)
	return func() {}
}

// TestAWatchThatPanicsIsNotRepeated has the Watch of the keys panic, after the Watch
// of the revocations succeeded.
func TestAWatchThatPanicsIsNotRepeated(t *testing.T) {
	t.Parallel()
	f := &fragile{panics: "Watch"}
	f.when.Store(true)
	revoked := &revocationsThatCount{fragile: f}
	guard := f.guard()
	guard.Revocations = revoked
	for range 3 {
		if _, err := guard.Admit(t.Context(), auth.Call{Procedure: watch, Stream: auth.BidiStream, Messages: true}); !isFailure(err) {
			t.Errorf("Admit = %v; want %v", err, auth.AuthFailure)
		}
	}
	if n := revoked.watchers.Load(); n != 1 {
		t.Errorf("the revocations are watched %d times; want once", n)
	}
}

// panickingHandler is a slog.Handler that panics.
type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool { panic("boom") }

// TestAPanicOfTheLoggerIsIgnored has a handler panic after its stream has ended, and
// the logger panic as well, in a goroutine that has no other recover.
func TestAPanicOfTheLoggerIsIgnored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		w.guard.Logger = slog.New(panickingHandler{})
		err := w.guard.Serve(w.open(), func(ctx context.Context, _ *auth.Stream) error {
			<-ctx.Done()
			panic("late")
		}, nil)
		if reason, _ := auth.ReasonOf(err); reason != auth.TokenExpired {
			t.Errorf("Serve = %v; want %v", err, auth.TokenExpired)
		}
		if err := w.guard.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestALatePanicIsLogged has handlers panic before and after the lease of their
// stream has ended. Afterwards the panic is only logged.
func TestALatePanicIsLogged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ late, panics, logged bool }{
		"a panic while the lease runs":       {panics: true},
		"a panic after the lease has ended":  {late: true, panics: true, logged: true},
		"a return after the lease has ended": {late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			w := newWorld(t, streamRule{})
			w.guard.Logger = slog.New(slog.NewTextHandler(&log, nil))
			func() {
				defer func() {
					if p := recover(); (p != nil) != (tt.panics && !tt.late) {
						t.Errorf("Serve panicked with %v", p)
					}
				}()
				err := w.guard.Serve(w.open(), func(ctx context.Context, _ *auth.Stream) error {
					if tt.late {
						w.revocations.revoke("sess_1")
						<-ctx.Done()
					}
					if tt.panics {
						panic("boom")
					}
					return nil
				}, nil)
				if reason, _ := auth.ReasonOf(err); reason != auth.TokenRevoked {
					t.Errorf("Serve = %v; want %v", err, auth.TokenRevoked)
				}
			}()
			if err := w.guard.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := log.String()
			if !tt.logged {
				if got != "" {
					t.Errorf("logged %q; want nothing", got)
				}
				return
			}
			for _, want := range []string{"procedure=" + watch, "panic=boom", "TestALatePanicIsLogged"} {
				if !strings.Contains(got, want) {
					t.Errorf("logged %q; want %q in it", got, want)
				}
			}
		})
	}
}
