package policy_test

import (
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
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
// condition is as they are in earnest. One with a loop is held against the clock,
// which costs about as much again.
func BenchmarkCondition(b *testing.B) {
	id := &auth.Identity{Subject: "user_ada", Organization: auth.Organization{ID: "org_acme"}, Roles: []string{"org:admin"}}
	id.IssuedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id.ExpiresAt = id.IssuedAt.Add(time.Minute)
	for name, text := range map[string]string{
		"organization":          "request.organization_id == identity.organization.id",
		"organization or admin": "request.organization_id == identity.organization.id && (request.owner == identity.subject || identity.hasRole('admin'))",
		"time":                  "identity.expires_at - identity.issued_at <= duration('1h') && request.organization_id == identity.organization.id",
		"loop":                  "request.tags.all(t, t.startsWith('a'))",
	} {
		file := newSchema(b, nil, rules{"M": condition(text)})
		rule := newPolicy(b, file).Rule(procedure("M")).(auth.MessageRule)
		note := newNote(file, "org_acme", "user_eve", "alpha", "arch")
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

// BenchmarkNew is what 500 conditions cost at start: about 200 µs each, however
// many messages there are beside their requests.
func BenchmarkNew(b *testing.B) {
	file := newRequests(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.New(policy.Files(file)); err != nil {
			b.Fatal(err)
		}
	}
}
