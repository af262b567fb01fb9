package policy_test

import (
	"fmt"
	"slices"
	"testing"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	p := schematest.NewPolicy(t, schematest.NewSchema(t, nil, schematest.Rules{
		"Public":        schematest.Public(),
		"Authenticated": schematest.Authenticated(),
		"Own":           schematest.Condition("request.owner == identity.subject"),
		"Handled":       schematest.Handled(schematest.Authenticated(), " the note is the caller's own\n"),
		"OwnHandled":    schematest.Handled(schematest.Condition("request.owner == identity.subject"), "the note is the caller's own"),
		"Everything": schematest.Require(&policyv1.Require{
			Kinds:          []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION, policyv1.TokenKind_TOKEN_KIND_OAUTH},
			Organization:   true,
			AnyRole:        []string{"admin", "owner"},
			AllPermissions: []string{"a:b", "c:d"},
			AllScopes:      []string{"email"},
			AnyFeature:     []string{"notes"},
			AnyPlan:        []string{"org:pro"},
			Reverification: schematest.Preset(policyv1.Reverification_PRESET_STRICT_MFA),
			Condition:      "request.owner == identity.subject",
		}),
	}))
	session := &auth.Identity{Kind: auth.KindSession, Permissions: []string{"org:a:b"}}
	for _, tt := range []struct {
		name    string
		method  string
		caller  *auth.Identity
		outcome string
		steps   []string
	}{
		{"a public method", "Public", nil, "met", nil},
		{"no token", "Authenticated", nil, "unmet", []string{"TOKEN_MISSING unmet: a valid token (there is no token)"}},
		{"a token", "Authenticated", session, "met", []string{"TOKEN_MISSING met: a valid token ()"}},
		{"a condition on the request", "Own", session, "undecided", []string{
			"TOKEN_MISSING met: a valid token ()",
			"CONDITION_NOT_MET undecided: the condition request.owner == identity.subject (it depends on the request)",
		}},
		{"what the handler asks", "Handled", session, "undecided", []string{
			"TOKEN_MISSING met: a valid token ()",
			"AUTH_FAILURE undecided: the note is the caller's own (the handler decides)",
		}},
		{"what the handler asks, of nobody", "Handled", nil, "unmet", []string{
			"TOKEN_MISSING unmet: a valid token (there is no token)",
			"AUTH_FAILURE undecided: the note is the caller's own (the handler decides)",
		}},
		{"what the handler asks, after a condition on the request", "OwnHandled", session, "undecided", []string{
			"TOKEN_MISSING met: a valid token ()",
			"CONDITION_NOT_MET undecided: the condition request.owner == identity.subject (it depends on the request)",
			"AUTH_FAILURE undecided: the note is the caller's own (the handler decides)",
		}},
		{"every part, in order, whatever came before", "Everything", session, "unmet", []string{
			"TOKEN_MISSING met: a valid token ()",
			"KIND_NOT_ALLOWED met: a token of kind session or oauth ()",
			"ORGANIZATION_REQUIRED unmet: an organization that the caller acts in (needs an organization that the caller acts in)",
			`ROLE_REQUIRED unmet: the role "admin" or "owner" (needs the role "admin" or "owner")`,
			`PERMISSION_REQUIRED unmet: the permission "a:b" and "c:d" (needs the permission "c:d")`,
			`SCOPE_REQUIRED unmet: the scope "email" (needs the scope "email")`,
			`FEATURE_REQUIRED unmet: the feature "notes" (needs the feature "notes")`,
			`FEATURE_REQUIRED unmet: the plan "org:pro" (needs the plan "org:pro")`,
			"REVERIFICATION_REQUIRED unmet: a verification within 10 minutes, level multi (the token does not say when the caller was verified)",
			"CONDITION_NOT_MET undecided: the condition request.owner == identity.subject (it depends on the request)",
		}},
		{"what an unknown caller lacks cannot be known", "Own", nil, "unmet", []string{
			"TOKEN_MISSING unmet: a valid token (there is no token)",
			"CONDITION_NOT_MET undecided: the condition request.owner == identity.subject (it depends on the request)",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			explanation, ok := p.Explain(schematest.Procedure(tt.method), tt.caller)
			var steps []string
			for _, s := range explanation {
				if byHandler := s.Detail == "the handler decides"; s.Handler != byHandler {
					t.Errorf("%q is said to be the handler's: %t", s.Requirement, s.Handler)
				}
				steps = append(steps, fmt.Sprintf("%v %v: %s (%s)", s.Reason, s.Outcome, s.Requirement, s.Detail))
			}
			if !ok || explanation.Outcome().String() != tt.outcome || !slices.Equal(steps, tt.steps) {
				t.Errorf("%v %q\nwant %s %q", explanation.Outcome(), steps, tt.outcome, tt.steps)
			}
		})
	}
	err := p.Rule(schematest.Procedure("Everything")).Check(session)
	if got, want := auth.AsError(err).Requirement, "an organization that the caller acts in"; got != want {
		t.Errorf("the refusal says that %q is not met; want %q", got, want)
	}
	if _, ok := p.Explain("/acme.v1.Absent/Get", session); ok {
		t.Error("a procedure without a rule is explained")
	}
}
