package condition_test

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// BenchmarkCondition is the cost of one evaluation: at most 2 µs where the
// condition is as they are in earnest. One with a loop is held against the clock,
// which costs about as much again.
func BenchmarkCondition(b *testing.B) {
	id := &auth.Identity{Subject: "user_ada", Organization: auth.Organization{ID: "org_acme"}, Roles: []string{"org:admin"}}
	id.RawClaims = claims
	id.IssuedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id.ExpiresAt = id.IssuedAt.Add(time.Minute)
	for name, text := range map[string]string{
		"organization":          "request.organization_id == identity.organization.id",
		"organization or admin": "request.organization_id == identity.organization.id && (request.owner == identity.subject || identity.hasRole('admin'))",
		"time":                  "identity.expires_at - identity.issued_at <= duration('1h') && request.organization_id == identity.organization.id",
		"loop":                  "request.tags.all(t, t.startsWith('a'))",
		"claims":                "identity.claims.repository == 'acme/app' && request.organization_id == identity.organization.id",
		"strings":               "identity.subject.lowerAscii() == 'user_ada' && request.organization_id == identity.organization.id",
	} {
		file := schematest.NewSchema(b, nil, schematest.Rules{"M": schematest.Condition(text)})
		rule := newPolicy(b, file).Rule(schematest.Procedure("M")).(auth.MessageRule)
		note := schematest.NewNote(file, "org_acme", "user_eve", "alpha", "arch")
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
		if _, err := policy.New(policy.Files(file), condition.Evaluator()); err != nil {
			b.Fatal(err)
		}
	}
}
