package policy_test

import (
	"errors"
	"strings"
	"testing"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// A rule is named that no token of any issuer can meet, and no other.
func TestUnmeetable(t *testing.T) {
	t.Parallel()
	const session, machine, template = policyv1.TokenKind_TOKEN_KIND_SESSION, policyv1.TokenKind_TOKEN_KIND_MACHINE, policyv1.TokenKind_TOKEN_KIND_TEMPLATE
	full := func(issuer string, kinds ...auth.TokenKind) auth.IssuerCapabilities {
		return auth.IssuerCapabilities{Issuer: issuer, Kinds: kinds, Organization: true, Roles: true, Permissions: true, Scopes: true, Features: true, Plans: true, Verification: true}
	}
	without := func(take func(*auth.IssuerCapabilities)) []auth.IssuerCapabilities {
		p := full("https://a", auth.KindSession, auth.KindMachine)
		take(&p)
		return []auth.IssuerCapabilities{p}
	}
	everything := &policyv1.Require{
		Kinds: []policyv1.TokenKind{session}, Organization: true, AnyRole: []string{"admin"}, AllPermissions: []string{"a:b"}, AllScopes: []string{"email"},
		AnyFeature: []string{"notes"}, AnyPlan: []string{"pro"}, Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX),
		Condition: "request.owner == identity.subject",
	}
	for _, tt := range []struct {
		name    string
		rule    *policyv1.Rule
		issuers []auth.IssuerCapabilities
		want    string // "" where somebody can
	}{
		{"everything, where there is everything", schematest.Require(everything), []auth.IssuerCapabilities{full("https://a", auth.KindSession)}, ""},
		{"everything, of the last of some issuers", schematest.Require(everything), []auth.IssuerCapabilities{{Issuer: "https://a"}, full("https://b", auth.KindMachine), full("https://c", auth.KindOAuth, auth.KindSession)}, ""},
		{"nothing is known of issuers", schematest.Require(everything), nil, ""},
		{"a kind that is not accepted", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{template}}), []auth.IssuerCapabilities{full("https://a", auth.KindSession)}, "https://a never gives a token of kind template"},
		{"one of two kinds is accepted", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{template, session}}), []auth.IssuerCapabilities{full("https://a", auth.KindSession)}, ""},
		{"an organization", schematest.Require(&policyv1.Require{Organization: true}), without(func(p *auth.IssuerCapabilities) { p.Organization = false }), "https://a never gives an organization that the caller acts in"},
		{"a role", schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}}), without(func(p *auth.IssuerCapabilities) { p.Roles = false }), `https://a never gives the role "admin"`},
		{"a permission", schematest.Require(&policyv1.Require{AllPermissions: []string{"a:b"}}), without(func(p *auth.IssuerCapabilities) { p.Permissions = false }), `https://a never gives the permission "a:b"`},
		{"a scope", schematest.Require(&policyv1.Require{AllScopes: []string{"email"}}), without(func(p *auth.IssuerCapabilities) { p.Scopes = false }), `https://a never gives the scope "email"`},
		{"a feature", schematest.Require(&policyv1.Require{AnyFeature: []string{"notes"}}), without(func(p *auth.IssuerCapabilities) { p.Features = false }), `https://a never gives the feature "notes"`},
		{"a plan", schematest.Require(&policyv1.Require{AnyPlan: []string{"pro"}}), without(func(p *auth.IssuerCapabilities) { p.Plans = false }), `https://a never gives the plan "pro"`},
		{"a verification", schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX)}), without(func(p *auth.IssuerCapabilities) { p.Verification = false }), "https://a never gives a verification within 1440 minutes, level second"},
		{"a class of verification", schematest.Require(&policyv1.Require{Reverification: &policyv1.Reverification{AnyAcr: []string{"phr"}}}), without(func(p *auth.IssuerCapabilities) { p.Verification = false }), `https://a never gives a verification of class "phr"`},
		{"a verification, where machines alone are accepted", schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX)}), []auth.IssuerCapabilities{full("https://a", auth.KindMachine)}, "https://a never gives a verification"},
		{"a verification, where of two kinds the machine alone is accepted", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{machine, template}, Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX)}), []auth.IssuerCapabilities{full("https://a", auth.KindMachine, auth.KindSession)}, "https://a never gives a verification"},
		{"two things", schematest.Require(&policyv1.Require{Organization: true, AnyPlan: []string{"pro"}}), without(func(p *auth.IssuerCapabilities) { p.Organization, p.Plans = false, false }), `https://a never gives an organization that the caller acts in and never the plan "pro"`},
		{"a kind, and nothing that follows from it", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{template}, Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX)}), []auth.IssuerCapabilities{full("https://a", auth.KindSession)}, "https://a never gives a token of kind template; "},
		{"something, where no kind is accepted", schematest.Authenticated(), []auth.IssuerCapabilities{full("https://a")}, "https://a never gives a token of a kind that is accepted"},
		{"nothing, where no kind is accepted", schematest.Public(), []auth.IssuerCapabilities{full("https://a")}, ""},
		{"what each of two issuers gives in part", schematest.Require(&policyv1.Require{Organization: true, AnyPlan: []string{"pro"}}), []auth.IssuerCapabilities{
			{Issuer: "https://a", Kinds: []auth.TokenKind{auth.KindSession}, Organization: true}, {Issuer: "https://b", Kinds: []auth.TokenKind{auth.KindSession}, Plans: true},
		}, `https://a never gives the plan "pro", https://b never gives an organization that the caller acts in`},
		{"what stands before a condition on the request", schematest.Require(everything), without(func(p *auth.IssuerCapabilities) { p.Plans = false }), `https://a never gives the plan "pro"`},
		{"a condition, which only the issuer can judge", schematest.Condition("identity.claims.x == 'y' && has(identity.organization)"), []auth.IssuerCapabilities{{Issuer: "https://a", Kinds: []auth.TokenKind{auth.KindSession}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules, err := policy.New(policy.Files(schematest.NewSchema(t, nil, schematest.Rules{"M": tt.rule})), condition.Enable())
			if err != nil {
				t.Fatal(err)
			}
			faults := rules.Unmeetable(tt.issuers)
			switch {
			case tt.want == "" && len(faults) > 0:
				t.Errorf("%v", faults)
			case tt.want != "" && (len(faults) != 1 || faults[0].Procedure != schematest.Procedure("M") || !strings.HasPrefix(errors.Unwrap(faults[0]).Error(), "nobody can call it: "+tt.want)):
				t.Errorf("%v, want %q", faults, tt.want)
			}
		})
	}
}

func TestUnmeetableDoesNotChangeItsArguments(t *testing.T) {
	t.Parallel()
	rules, err := policy.New(
		policy.Override("/a", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_MACHINE}})),
		policy.Override("/b", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION}})),
	)
	if err != nil {
		t.Fatal(err)
	}
	issuers := []auth.IssuerCapabilities{{Issuer: "https://a", Kinds: []auth.TokenKind{auth.KindSession, auth.KindMachine}}}
	if faults := rules.Unmeetable(issuers); len(faults) > 0 {
		t.Error(faults)
	}
	if kinds := issuers[0].Kinds; len(kinds) != 2 || kinds[0] != auth.KindSession || kinds[1] != auth.KindMachine {
		t.Errorf("kinds %v", kinds)
	}
}
