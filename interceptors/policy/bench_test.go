package policy_test

import (
	"testing"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// BenchmarkDecision is the cost of a rule without condition: at most 200 ns and
// no allocation.
func BenchmarkDecision(b *testing.B) {
	p := newPolicy(b, newSchema(b, nil, rules{
		"Role": require(&policyv1.Require{AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}}),
		"Everything": require(&policyv1.Require{
			Kinds: []policyv1.Kind{policyv1.Kind_KIND_SESSION}, Organization: true,
			AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}, AllScopes: []string{"email"},
			AnyFeature: []string{"invoices"}, AnyPlan: []string{"org:pro"}, Reverification: preset(policyv1.Reverification_PRESET_STRICT),
		}),
	}))
	id := &auth.Identity{
		Kind: auth.KindSession, Organization: auth.Organization{ID: "org_acme"}, Roles: []string{"org:admin"},
		Permissions: []string{"org:invoices:delete", "org:invoices:read"}, Scopes: []string{"email"},
		Features: []string{"o:invoices"}, Plans: []string{"o:pro"}, FactorAges: verified(1, 1),
	}
	for _, method := range []string{"Role", "Everything"} {
		b.Run(method, func(b *testing.B) {
			at := procedure(method)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Rule(at).Check(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCondition is the cost of one evaluation: at most 2 µs where the
// condition is as they are in earnest.
func BenchmarkCondition(b *testing.B) {
	id := &auth.Identity{Subject: "user_ada", Organization: auth.Organization{ID: "org_acme"}, Roles: []string{"org:admin"}}
	for name, text := range map[string]string{
		"organization":          "request.organization_id == identity.organization.id",
		"organization or admin": "request.organization_id == identity.organization.id && (request.owner == identity.subject || identity.hasRole('admin'))",
	} {
		file := newSchema(b, nil, rules{"M": condition(text)})
		rule := newPolicy(b, file).Rule(procedure("M")).(auth.MessageRule)
		note := newNote(file, "org_acme", "user_eve")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := rule.CheckMessage(id, note); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
