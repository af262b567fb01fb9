package auth_test

import (
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestIdentityHas(t *testing.T) {
	t.Parallel()
	id := &auth.Identity{
		Roles:       []string{"org:admin"},
		Permissions: []string{"org:invoices:read", "reports:read"},
		Scopes:      []string{"profile"},
	}
	for _, tt := range []struct {
		name string
		got  bool
		want bool
	}{
		{"a role with its prefix", id.HasRole("org:admin"), true},
		{"a role without its prefix", id.HasRole("admin"), true},
		{"a role with its prefix twice", id.HasRole("org:org:admin"), true},
		{"another role", id.HasRole("member"), false},
		{"a role that begins alike", id.HasRole("adm"), false},
		{"the empty role", id.HasRole(""), false},
		{"the prefix alone", id.HasRole("org:"), false},
		{"a permission with its prefix", id.HasPermission("org:invoices:read"), true},
		{"a permission without its prefix", id.HasPermission("invoices:read"), true},
		{"a permission that was never prefixed", id.HasPermission("org:reports:read"), true},
		{"another permission", id.HasPermission("invoices:delete"), false},
		{"a scope", id.HasScope("profile"), true},
		{"a scope in another case", id.HasScope("Profile"), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
}

func TestParseKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID} {
		if got, err := auth.ParseTokenKind(kind.String()); err != nil || got != kind {
			t.Errorf("ParseTokenKind(%q) = %v, %v", kind, got, err)
		}
	}
	for _, name := range []string{"", "unknown", "Session", "cookie"} {
		if got, err := auth.ParseTokenKind(name); err == nil || got != 0 {
			t.Errorf("ParseTokenKind(%q) = %v, want an error", name, got)
		}
	}
}

func ExampleIdentity_Claims() {
	id := &auth.Identity{RawClaims: `{"sub":"user_ada","department":"engines"}`}
	var own struct{ Department string }
	if err := id.Claims(&own); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(own.Department)
	// Output: engines
}

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
