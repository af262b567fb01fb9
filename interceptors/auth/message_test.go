package auth_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// onlyHello is a rule that lets everybody send hello, and nothing else.
type onlyHello struct{}

func (onlyHello) Check(*auth.Identity) error { return nil }

func (onlyHello) CheckMessage(_ *auth.Identity, message any) error {
	switch message {
	case "hello":
		return nil
	case "panic":
		panic("boom")
	default:
		return auth.NewError(auth.ConditionNotMet, nil)
	}
}

// lenient is a public rule for which an invalid token can be none.
type lenient bool

func (lenient) Check(*auth.Identity) error { return nil }
func (l lenient) IgnoreInvalid() bool      { return bool(l) }

func failing(reason auth.Reason) authenticator {
	return func(auth.Call) (*auth.Identity, error) { return nil, auth.NewError(reason, nil) }
}

func TestCheckRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rule    auth.Rule
		message any
		want    *auth.Error
	}{
		{"a message that may be sent", onlyHello{}, "hello", nil},
		{"a message that may not", onlyHello{}, "goodbye", &auth.Error{Reason: auth.ConditionNotMet}},
		{"a panic in the rule is our own failure", onlyHello{}, "panic", &auth.Error{Reason: auth.AuthFailure}},
		{"a rule that asks nothing of messages", lenient(false), "goodbye", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var observed []auth.Decision
			guard := &auth.Guard{
				Authenticator: failing(auth.TokenMissing),
				Policy:        rules{tt.rule},
				Observer:      auth.ObserverFunc(func(_ context.Context, d auth.Decision) { observed = append(observed, d) }),
			}
			ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: "/acme.v1.Library/Get", Messages: true})
			if err != nil {
				t.Fatal(err)
			}
			err = guard.CheckRequest(ctx, tt.message)
			if tt.want == nil {
				if err != nil || len(observed) != 1 {
					t.Errorf("%v, observed %v", err, observed)
				}
				return
			}
			if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want.Reason {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if len(observed) != 2 || observed[1].Refusal.Reason != tt.want.Reason || observed[1].Procedure != "/acme.v1.Library/Get" {
				t.Errorf("observed %v, want the pass and then the refusal", observed)
			}
		})
	}
}

func TestCheckRequestOutsideACallRefuses(t *testing.T) {
	t.Parallel()
	err := new(auth.Guard).CheckRequest(t.Context(), "hello")
	if reason, ok := auth.ReasonOf(err); !ok || reason != auth.AuthFailure {
		t.Errorf("%v, want %v", err, auth.AuthFailure)
	}
}

func TestARuleThatNeedsMessagesRefusesWhereThereAreNone(t *testing.T) {
	t.Parallel()
	guard := &auth.Guard{Authenticator: failing(auth.TokenMissing), Policy: rules{onlyHello{}}}
	_, err := guard.Admit(t.Context(), auth.Call{Procedure: "/acme.v1.Library/Get"})
	if reason, ok := auth.ReasonOf(err); !ok || reason != auth.AuthFailure {
		t.Errorf("%v, want %v", err, auth.AuthFailure)
	}
}

func TestIgnoreInvalid(t *testing.T) {
	t.Parallel()
	const pass = auth.Reason(255)
	for _, tt := range []struct {
		name    string
		lenient bool
		token   auth.Reason
		want    auth.Reason
	}{
		{"an expired token counts as none", true, auth.TokenExpired, pass},
		{"a token that cannot be read counts as none", true, auth.TokenMalformed, pass},
		{"a session that is not complete counts as none", true, auth.SessionPending, pass},
		{"a token that cannot be checked counts as none", true, auth.KeysUnavailable, pass},
		{"a fault of ours is no property of the token", true, auth.AuthFailure, auth.AuthFailure},
		{"an expired token is refused where it is not ignored", false, auth.TokenExpired, auth.TokenExpired},
		{"a token that cannot be checked is refused there too", false, auth.KeysUnavailable, auth.KeysUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			guard := &auth.Guard{Authenticator: failing(tt.token), Policy: rules{lenient(tt.lenient)}}
			ctx, err := guard.Admit(t.Context(), auth.Call{})
			if tt.want != pass {
				if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want {
					t.Errorf("%v, want %v", err, tt.want)
				}
				return
			}
			if id, known := auth.FromContext(ctx); err != nil || known {
				t.Errorf("%v with identity %v; want an anonymous pass", err, id)
			}
		})
	}
}
