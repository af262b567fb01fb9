package auth_test

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// withdrawn is a key that was withdrawn for a reason.
type withdrawn auth.Reason

func (w withdrawn) Withdrawn() error { return auth.NewError(auth.Reason(w), nil) }

func TestCheckRequestAsksWhetherTheTokenStillCounts(t *testing.T) {
	t.Parallel()
	const pass = auth.Reason(255)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		caller func(*auth.Identity)
		later  time.Duration // when the request is there
		revoke string
		want   auth.Reason
	}{
		{"at once", nil, 0, "", pass},
		{"in the last instant of the leeway", nil, 65*time.Second - 1, "", pass},
		{"at the end of the leeway", nil, 65 * time.Second, "", auth.TokenExpired},
		{"a token that does not expire", func(id *auth.Identity) { id.ExpiresAt = time.Time{} }, 1000 * time.Hour, "", pass},
		{"its session was revoked", nil, 0, "sess_1", auth.TokenRevoked},
		{"another session was revoked", nil, 0, "sess_2", pass},
		{"its key was removed", func(id *auth.Identity) { id.Key = withdrawn(auth.KeyUnknown) }, 0, "", auth.KeyUnknown},
		{"its key is too old", func(id *auth.Identity) { id.Key = withdrawn(auth.KeysUnavailable) }, 0, "", auth.KeysUnavailable},
		{"of two reasons, expiry comes first", nil, time.Hour, "sess_1", auth.TokenExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := issued(0)
			id.IssuedAt, id.ExpiresAt, id.Leeway = at, at.Add(time.Minute), 5*time.Second
			if tt.caller != nil {
				tt.caller(id)
			}
			now, revoked := at, new(revocations)
			var seen []auth.Decision
			guard := &auth.Guard{
				Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) { return id, nil }),
				Policy:        streamRule{}, Revocations: revoked,
				Observer: auth.ObserverFunc(func(_ context.Context, d auth.Decision) { seen = append(seen, d) }),
				Now:      func() time.Time { return now },
			}
			ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: ping, Protocol: "test", Peer: "peer"})
			if err != nil {
				t.Fatal(err)
			}
			now = at.Add(tt.later)
			if tt.revoke != "" {
				revoked.revoke(tt.revoke)
			}
			err = guard.CheckRequest(ctx, "hello")
			if tt.want == pass {
				if err != nil || len(seen) != 1 {
					t.Errorf("CheckRequest = %v, observed %v; want neither", err, seen)
				}
				return
			}
			if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want {
				t.Errorf("CheckRequest = %v; want %v", err, tt.want)
			}
			if len(seen) != 2 {
				t.Fatalf("observed %v; want the admission and the refusal", seen)
			}
			if d := seen[1]; d.Refusal == nil || d.Refusal.Reason != tt.want || d.Identity != id || d.Procedure != ping || d.Protocol != "test" || d.Peer != "peer" {
				t.Errorf("observed %+v; want the refusal of this call", d)
			}
		})
	}
}

func TestCheckRequestChecksNoTokenOfAnAnonymousCaller(t *testing.T) {
	t.Parallel()
	guard := &auth.Guard{
		Authenticator: failing(auth.TokenMissing), Policy: streamRule{}, Revocations: new(revocations),
		Now: func() time.Time { panic("nobody's token expires") },
	}
	ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: ping})
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.CheckRequest(ctx, "hello"); err != nil {
		t.Errorf("CheckRequest = %v; want nil", err)
	}
}

func TestAGuardRecognizesItsOwnAdmissions(t *testing.T) {
	t.Parallel()
	first, second, third := newWorld(t, streamRule{}), newWorld(t, streamRule{}), newWorld(t, streamRule{})
	ctx := first.call(issued(0), ping, auth.Unary)
	second.caller = issued(0)
	both, err := second.guard.Admit(ctx, auth.Call{Procedure: ping})
	if err != nil {
		t.Fatal(err)
	}
	first.revocations.revoke("sess_1")
	for name, tt := range map[string]struct {
		guard *auth.Guard
		want  auth.Reason
	}{
		"the outer one": {first.guard, auth.TokenRevoked},
		"another":       {third.guard, auth.AuthFailure},
	} {
		if reason, _ := auth.ReasonOf(tt.guard.CheckRequest(both, nil)); reason != tt.want {
			t.Errorf("%s: reason %v; want %v", name, reason, tt.want)
		}
	}
	if err := second.guard.CheckRequest(both, nil); err != nil {
		t.Errorf("the inner one: %v; want nil", err)
	}
	if err := second.guard.CheckRequest(auth.NewContext(t.Context(), issued(0)), nil); err == nil {
		t.Error("a context for testing was taken for an admission")
	}
}

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

func (l lenient) IgnoreInvalid() bool { return bool(l) }

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
