package auth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

type authenticator func(auth.Call) (*auth.Identity, error)

func (f authenticator) Authenticate(_ context.Context, call auth.Call) (*auth.Identity, error) {
	return f(call)
}

// rules is a policy that has one rule for everything.
type rules struct{ rule auth.Rule }

func (p rules) Rule(string) auth.Rule { return p.rule }

type rule func(*auth.Identity) error

func (f rule) Check(id *auth.Identity) error { return f(id) }

// TestADecisionIsNotedOnceItIsMade, so that nothing is open while keys are fetched.
func TestADecisionIsNotedOnceItIsMade(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"admitted": nil, "refused": auth.NewError(auth.TokenExpired, nil)} {
		ctx, decided := auth.TrackDecision(t.Context())
		asked := false
		guard := &auth.Guard{
			Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) {
				asked = true
				if decided() {
					t.Errorf("%s: noted before", name)
				}
				return &auth.Identity{Subject: "ada"}, fault
			}),
			Policy: rules{rule(func(*auth.Identity) error { return nil })},
		}
		if _, err := guard.Admit(ctx, auth.Call{Procedure: watch}); (err == nil) != (fault == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if !asked || !decided() {
			t.Errorf("%s: asked %t, noted %t", name, asked, decided())
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	ada := &auth.Identity{Issuer: "https://issuer", Subject: "user_ada", Kind: auth.KindSession}
	known := authenticator(func(auth.Call) (*auth.Identity, error) { return ada, nil })
	unknown := authenticator(func(auth.Call) (*auth.Identity, error) { return nil, auth.NewError(auth.TokenMissing, nil) })
	expired := authenticator(func(auth.Call) (*auth.Identity, error) { return nil, auth.NewError(auth.TokenExpired, nil) })
	broken := authenticator(func(auth.Call) (*auth.Identity, error) { return nil, errors.New("disk full") })
	empty := authenticator(func(auth.Call) (*auth.Identity, error) { return nil, nil })
	panics := authenticator(func(auth.Call) (*auth.Identity, error) { panic("boom") })

	public := rules{rule(func(*auth.Identity) error { return nil })}
	protected := rules{rule(func(id *auth.Identity) error {
		if id == nil {
			return auth.NewError(auth.TokenMissing, nil)
		}
		return nil
	})}
	forbidden := rules{rule(func(*auth.Identity) error { return auth.NewError(auth.RoleRequired, nil) })}
	panicking := rules{rule(func(*auth.Identity) error { panic("boom") })}
	const pass = auth.Reason(255)

	for _, tt := range []struct {
		name          string
		authenticator auth.Authenticator
		policy        auth.Policy
		want          auth.Reason
		identity      *auth.Identity
	}{
		{"a known caller of a protected method passes", known, protected, pass, ada},
		{"a known caller of a public method passes by name", known, public, pass, ada},
		{"an anonymous caller of a public method passes", unknown, public, pass, nil},
		{"an anonymous caller of a protected method is refused", unknown, protected, auth.TokenMissing, nil},
		{"an expired token is refused on a public method too", expired, public, auth.TokenExpired, nil},
		{"a known caller without the role is refused", known, forbidden, auth.RoleRequired, nil},
		{"an anonymous caller of a method without a rule learns nothing", unknown, rules{}, auth.TokenMissing, nil},
		{"a known caller of a method without a rule is refused", known, rules{}, auth.AuthFailure, nil},
		{"a foreign error is our own failure", broken, public, auth.AuthFailure, nil},
		{"neither identity nor error is our own failure", empty, public, auth.AuthFailure, nil},
		{"a panic in the authenticator is our own failure", panics, public, auth.AuthFailure, nil},
		{"a panic in the rule is our own failure", known, panicking, auth.AuthFailure, nil},
		{"a guard without an authenticator refuses", nil, public, auth.AuthFailure, nil},
		{"a guard without a policy refuses", known, nil, auth.AuthFailure, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var decisions []auth.Decision
			observe := auth.ObserverFunc(func(_ context.Context, d auth.Decision) { decisions = append(decisions, d) })
			for _, observer := range []auth.Observer{nil, observe} {
				guard := &auth.Guard{Authenticator: tt.authenticator, Policy: tt.policy, Observer: observer}
				// What an outer layer put into the context must not be returned.
				outer := auth.NewContext(t.Context(), &auth.Identity{Subject: "impostor"})
				ctx, err := guard.Admit(outer, auth.Call{Procedure: "/acme.v1.Library/Get"})
				if tt.want != pass {
					if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want {
						t.Fatalf("Admit: %v, want reason %v", err, tt.want)
					}
					continue
				}
				if err != nil {
					t.Fatalf("Admit: %v", err)
				}
				if id, ok := auth.FromContext(ctx); id != tt.identity || ok != (tt.identity != nil) {
					t.Errorf("the context holds %v, want %v", id, tt.identity)
				}
			}
			if len(decisions) != 1 || (decisions[0].Refusal == nil) != (tt.want == pass) ||
				decisions[0].Refusal != nil && decisions[0].Refusal.Reason != tt.want {
				t.Errorf("observed %v", decisions)
			}
		})
	}
}

func TestAnIdentityThatMustBeThereIsAPanicWithoutIt(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(context.Context) *auth.Identity{
		"MustFromContext": auth.MustFromContext, "MustCurrentIdentity": auth.MustCurrentIdentity,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			of(t.Context())
		}()
	}
}

func TestCallerToken(t *testing.T) {
	t.Parallel()
	guard := &auth.Guard{
		Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) { return &auth.Identity{Subject: "user_ada"}, nil }),
		Policy:        rules{rule(func(*auth.Identity) error { return nil })},
	}
	ctx, err := guard.Admit(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer a.b.c"}}})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := auth.CallerToken(ctx); err != nil || token != "a.b.c" {
		t.Errorf("CallerToken gave %q, %v", token, err)
	}
	if token, err := auth.CallerToken(t.Context()); err == nil || token != "" {
		t.Errorf("CallerToken gave %q outside a guarded call", token)
	}
}

func TestTheTokenOfACallerIsGivenWhileItCounts(t *testing.T) {
	t.Parallel()
	began := time.Now()
	id := &auth.Identity{Subject: "user_ada", SessionID: "sess_1", ExpiresAt: began.Add(time.Minute)}
	now := began
	for name, tt := range map[string]struct {
		then func(*revocations)
		want auth.Reason
	}{
		"not once it was revoked": {func(r *revocations) { r.revoke("sess_1") }, auth.TokenRevoked},
		"not once it has expired": {func(*revocations) { now = now.Add(time.Minute) }, auth.TokenExpired},
	} {
		now = began
		revoked := new(revocations)
		guard := &auth.Guard{
			Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) { return id, nil }),
			Policy:        rules{rule(func(*auth.Identity) error { return nil })},
			Revocations:   revoked,
			Now:           func() time.Time { return now },
		}
		ctx, err := guard.Admit(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer a.b.c"}}})
		if err != nil {
			t.Fatal(err)
		}
		check := auth.CallerCheck(ctx)
		if token, err := auth.CallerToken(ctx); err != nil || token != "a.b.c" || check() != nil {
			t.Errorf("%s: at first CallerToken gave %q, %v, and CallerCheck %v", name, token, err, check())
		}
		tt.then(revoked)
		token, err := auth.CallerToken(ctx)
		for from, err := range map[string]error{"CallerToken": err, "CallerCheck": check()} {
			if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want || token != "" {
				t.Errorf("%s: %s gave %q, %v; want %v", name, from, token, err, tt.want)
			}
		}
	}
	if err := auth.CallerCheck(t.Context())(); err != nil {
		t.Errorf("without a caller: %v", err)
	}
}

// conditional is a rule with a condition on the request message.
type conditional struct{ rule }

func (conditional) CheckMessage(*auth.Identity, any) error { return nil }

// A transport that shows no messages cannot check a condition. That is our fault, and no
// business of strangers.
func TestAConditionOnATransportWithoutMessagesIsNeverAPass(t *testing.T) {
	t.Parallel()
	known := authenticator(func(auth.Call) (*auth.Identity, error) { return issued(0), nil })
	public := conditional{func(*auth.Identity) error { return nil }}
	protected := conditional{func(id *auth.Identity) error {
		if id == nil {
			return auth.NewError(auth.TokenMissing, nil)
		}
		return nil
	}}
	for name, test := range map[string]struct {
		caller auth.Authenticator
		rule   auth.Rule
		want   auth.Reason
	}{
		"a stranger to a protected method": {failing(auth.TokenMissing), protected, auth.TokenMissing},
		"a stranger to a public method":    {failing(auth.TokenMissing), public, auth.AuthFailure},
		"a caller of a protected method":   {known, protected, auth.AuthFailure},
	} {
		guard := &auth.Guard{Authenticator: test.caller, Policy: rules{test.rule}}
		_, err := guard.Admit(t.Context(), auth.Call{Procedure: ping})
		if reason, ok := auth.ReasonOf(err); !ok || reason != test.want {
			t.Errorf("%s: %v; want %v", name, err, test.want)
		}
	}
}
