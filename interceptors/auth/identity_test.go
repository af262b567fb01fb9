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
