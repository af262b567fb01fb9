package policy_test

import (
	"testing"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// BenchmarkDecision is the cost of a rule without condition: at most 200 ns and
// no allocation.
func BenchmarkDecision(b *testing.B) {
	p := newPolicy(b, schematest.NewSchema(b, nil, schematest.Rules{
		"Role": schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}}),
		"Everything": schematest.Require(&policyv1.Require{
			Kinds: []policyv1.Kind{policyv1.Kind_KIND_SESSION}, Organization: true,
			AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}, AllScopes: []string{"email"},
			AnyFeature: []string{"invoices"}, AnyPlan: []string{"org:pro"}, Reverification: schematest.Preset(policyv1.Reverification_PRESET_STRICT),
		}),
	}))
	id := &auth.Identity{
		Kind: auth.KindSession, Organization: auth.Organization{ID: "org_acme"}, Roles: []string{"org:admin"},
		Permissions: []string{"org:invoices:delete", "org:invoices:read"}, Scopes: []string{"email"},
		Features: []string{"o:invoices"}, Plans: []string{"o:pro"}, FactorAges: verified(1, 1),
	}
	for _, method := range []string{"Role", "Everything"} {
		b.Run(method, func(b *testing.B) {
			at := schematest.Procedure(method)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Rule(at).Check(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
