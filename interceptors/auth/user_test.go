package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

type account struct{ name string }

func TestUser(t *testing.T) {
	t.Parallel()
	id := &auth.Identity{Subject: "ada"}
	ctx := auth.NewUserContext(t.Context(), id, &account{"Ada"})
	if user, ok := auth.User[*account](ctx); !ok || user.name != "Ada" {
		t.Errorf("User gave %v, %t", user, ok)
	}
	if got, ok := auth.FromContext(ctx); !ok || got != id {
		t.Errorf("FromContext gave %v, %t", got, ok)
	}
	for name, ctx := range map[string]context.Context{
		"outside a guarded call":               t.Context(),
		"of a context without a user":          auth.NewContext(t.Context(), id),
		"of a call behind another with a user": auth.NewContext(ctx, id),
	} {
		if user, ok := auth.User[*account](ctx); ok {
			t.Errorf("User %s gave %v", name, user)
		}
	}
	if user, ok := auth.User[account](ctx); ok {
		t.Errorf("User of another type gave %v", user)
	}
}

func TestAFailureToLoadTheUserRefusesTheCall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		load func(context.Context, *auth.Identity) (any, error)
		want auth.Reason
	}{
		"a refusal counts as it is": {
			func(context.Context, *auth.Identity) (any, error) {
				return &account{}, fmt.Errorf("look up: %w", auth.NewError(auth.PermissionRequired, nil))
			}, auth.PermissionRequired,
		},
		"any other error is our own failure": {
			func(context.Context, *auth.Identity) (any, error) { return &account{}, errors.New("disk full") }, auth.AuthFailure,
		},
		"so is a look-up that was given up before the call": {
			func(context.Context, *auth.Identity) (any, error) { return nil, context.Canceled }, auth.AuthFailure,
		},
		"an outage is one if it says so": {
			func(context.Context, *auth.Identity) (any, error) {
				return nil, auth.NewError(auth.UserUnavailable, context.DeadlineExceeded)
			}, auth.UserUnavailable,
		},
		"no user is an unknown one": {
			func(context.Context, *auth.Identity) (any, error) { return nil, nil }, auth.UserUnknown, //nolint:nilnil // that is the case
		},
		"and so is a nil pointer,": {
			func(context.Context, *auth.Identity) (any, error) { return (*account)(nil), nil }, auth.UserUnknown,
		},
		"a nil map": {
			func(context.Context, *auth.Identity) (any, error) { return map[string]string(nil), nil }, auth.UserUnknown,
		},
		"a nil slice": {
			func(context.Context, *auth.Identity) (any, error) { return []account(nil), nil }, auth.UserUnknown,
		},
		"and a nil function": {
			func(context.Context, *auth.Identity) (any, error) { return (func() account)(nil), nil }, auth.UserUnknown,
		},
		"a panic is our own failure": {
			func(context.Context, *auth.Identity) (any, error) { panic("boom") }, auth.AuthFailure,
		},
	} {
		var decisions []auth.Decision
		ada := &auth.Identity{Subject: "ada"}
		guard := &auth.Guard{
			Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) { return ada, nil }),
			Policy:        rules{rule(func(*auth.Identity) error { return nil })},
			LoadUser:      tt.load,
			Observer:      auth.ObserverFunc(func(_ context.Context, d auth.Decision) { decisions = append(decisions, d) }),
		}
		for _, shape := range []auth.StreamType{auth.Unary, auth.BidiStream} {
			decisions = nil
			ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: watch, Stream: shape})
			if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want || auth.AsError(err).Code() != tt.want.Code() {
				t.Errorf("%s: %v; want reason %v", name, err, tt.want)
			}
			if len(decisions) != 1 || decisions[0].Refusal == nil || decisions[0].Refusal.Reason != tt.want || decisions[0].Identity != ada {
				t.Errorf("%s: observed %v", name, decisions)
			}
			if guard.Admitted(ctx, watch) {
				t.Errorf("%s: the call counts as admitted", name)
			}
			if user, ok := auth.User[*account](ctx); ok {
				t.Errorf("%s: User gave %v", name, user)
			}
		}
	}
}

func TestACallThatEndsWhileItsUserIsLoadedIsNoFaultOfTheServer(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	stop()
	for name, tt := range map[string]struct {
		ctx    context.Context //nolint:containedctx // of a call
		err    error
		reason auth.Reason
		code   auth.Code
	}{
		"a client that left":                       {canceled, errors.New("no rows"), auth.UserUnavailable, auth.CodeCanceled},
		"a client that left, in an outage":         {canceled, auth.NewError(auth.UserUnavailable, nil), auth.UserUnavailable, auth.CodeCanceled},
		"a deadline":                               {late, context.DeadlineExceeded, auth.UserUnavailable, auth.CodeDeadlineExceeded},
		"a client that left, and was refused":      {canceled, auth.NewError(auth.RoleRequired, nil), auth.RoleRequired, auth.CodePermissionDenied},
		"a client that left, and a chosen failure": {canceled, auth.NewError(auth.AuthFailure, nil), auth.AuthFailure, auth.CodeInternal},
	} {
		var log strings.Builder
		guard := &auth.Guard{
			Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) { return &auth.Identity{Subject: "ada"}, nil }),
			Policy:        rules{rule(func(*auth.Identity) error { return nil })},
			LoadUser:      func(context.Context, *auth.Identity) (any, error) { return nil, tt.err },
			Observer:      auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil))),
		}
		_, err := guard.Admit(tt.ctx, auth.Call{Procedure: ping})
		refusal := auth.AsError(err)
		if refusal.Reason != tt.reason || refusal.Code() != tt.code {
			t.Errorf("%s: %v with code %v; want %v with %v", name, err, refusal.Code(), tt.reason, tt.code)
		}
		if retry := refusal.RetryInfo(); retry != nil || len(refusal.Details("")) != 2 {
			t.Errorf("%s: details %v; want no time to retry", name, refusal.Details(""))
		}
		if loud := !strings.Contains(log.String(), "level=INFO"); loud != (tt.code == auth.CodeInternal) {
			t.Errorf("%s: logged %s", name, &log)
		}
	}
}

// goneKey marks the context of a call whose client is gone.
type goneKey struct{}

func TestARenewalOfAStreamLoadsItsUserAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fail func() (any, error) // on renewal
		want auth.Reason
	}{
		"the new user counts":            {nil, goesOn},
		"a refusal ends the stream":      {func() (any, error) { return nil, auth.NewError(auth.ConditionNotMet, nil) }, auth.ConditionNotMet},
		"so does the end of the account": {func() (any, error) { return (*account)(nil), nil }, auth.UserUnknown},
		"another error ends the stream":  {func() (any, error) { return nil, errors.New("disk full") }, auth.AuthFailure},
		"a panic ends the stream":        {func() (any, error) { panic("boom") }, auth.AuthFailure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader"})
				var loads atomic.Int32
				w.guard.LoadUser = func(ctx context.Context, id *auth.Identity) (any, error) {
					if got, _ := auth.FromContext(ctx); got != id || ctx.Value(goneKey{}) == nil && ctx.Err() != nil {
						t.Errorf("the context of LoadUser carries %v, %v; want %v", got, ctx.Err(), id)
					}
					n := loads.Add(1)
					if n > 1 && tt.fail != nil {
						return tt.fail()
					}
					return &account{fmt.Sprint("load ", n)}, nil
				}
				var userNow func() (*account, bool)
				ended := w.serve(issued(0), func(ctx context.Context) error {
					userNow = func() (*account, bool) { return auth.User[*account](ctx) }
					return idle(ctx)
				})
				assertUser := func(want string) {
					t.Helper()
					if user, ok := userNow(); !ok || user.name != want {
						t.Errorf("User of the stream gave %v, %t; want %s", user, ok, want)
					}
				}
				assertUser("load 1")
				pass(time.Second)
				renewing, stop := context.WithCancel(context.WithValue(t.Context(), goneKey{}, true))
				stop() // the client of the renewing call is gone, which is no matter of the stream
				w.caller = issued(0)
				_, _ = w.guard.Admit(renewing, auth.Call{Procedure: ping, Stream: auth.Unary, Messages: true})
				synctest.Wait()
				if tt.want == goesOn {
					assertUser("load 2")
					pass(2 * time.Minute)
					tt.want = auth.TokenExpired
				}
				if reason, _ := auth.ReasonOf(<-ended); reason != tt.want {
					t.Errorf("the stream ended with %v; want %v", reason, tt.want)
				}
			})
		})
	}
}

func TestTheUserOfARenewalIsLoadedWithItsOwnToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		var tokens []string
		w.guard.LoadUser = func(ctx context.Context, _ *auth.Identity) (any, error) {
			relayed, err := auth.CallerToken(ctx)
			tokens = append(tokens, relayed)
			return &account{}, err
		}
		ctx, err := w.admitWith("opened", issued(0), watch, auth.BidiStream)
		if err != nil {
			t.Fatal(err)
		}
		ended := w.serveIn(ctx, idle)
		if _, err := w.admitWith("newer", issued(time.Second), ping, auth.Unary); err != nil {
			t.Fatal(err)
		}
		if reason, _ := auth.ReasonOf(<-ended); reason != auth.TokenExpired {
			t.Errorf("the stream ended with %v; want %v", reason, auth.TokenExpired)
		}
		if fmt.Sprint(tokens) != "[opened newer newer]" {
			t.Errorf("loaded with %v; want that of the opening, of the renewal and of the renewing call", tokens)
		}
	})
}
