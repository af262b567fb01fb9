package auth_test

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestHasFeatureAndPlan(t *testing.T) {
	t.Parallel()
	names := []string{"o:invoices", "u:gold", "ou:exports", "uo:imports", "bare"}
	id := &auth.Identity{Features: names, Plans: names}
	for _, tt := range []struct {
		name string
		want string
		has  bool
	}{
		{"a bare name, which the organization has", "invoices", true},
		{"a bare name, which the user has", "gold", true},
		{"a bare name that nobody has", "reports", false},
		{"a name that begins alike", "invoice", false},
		{"one of the organization's", "org:invoices", true},
		{"one of the organization's, by letter", "o:invoices", true},
		{"one of the organization's, in full", "organization:invoices", true},
		{"one of the user's", "user:gold", true},
		{"one of the user's, by letter", "u:gold", true},
		{"the user's, asked of the organization", "org:gold", false},
		{"the organization's, asked of the user", "user:invoices", false},
		{"one that both have, asked of the organization", "org:exports", true},
		{"one that both have, asked of the user", "user:imports", true},
		{"a scope that is unknown", "team:invoices", false},
		{"a scope as in the token, of both", "ou:exports", false},
		{"a name without scope in the token, asked for bare", "bare", true},
		{"a name without scope in the token, asked of the user", "user:bare", false},
		{"nothing", "", false},
		{"a scope alone", "org:", false},
		{"a colon alone", ":", false},
		{"no scope before the colon", ":invoices", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := id.HasFeature(tt.want); got != tt.has {
				t.Errorf("HasFeature(%q) = %t", tt.want, got)
			}
			if got := id.HasPlan(tt.want); got != tt.has {
				t.Errorf("HasPlan(%q) = %t", tt.want, got)
			}
		})
	}
}
