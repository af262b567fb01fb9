package token_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
)

// checkProvided fails if an identity has something that its issuer does not provide:
// a rule that requires it would be refused at start, although it can be met.
func checkProvided(t *testing.T, p auth.IssuerCapabilities, id *auth.Identity) {
	t.Helper()
	for name, lies := range map[string]bool{
		"Kinds":        !slices.Contains(p.Kinds, id.Kind),
		"Organization": !p.Organization && id.Organization.ID != "",
		"Roles":        !p.Roles && len(id.Roles) > 0,
		"Permissions":  !p.Permissions && len(id.Permissions) > 0,
		"Scopes":       !p.Scopes && len(id.Scopes) > 0,
		"Features":     !p.Features && len(id.Features) > 0,
		"Plans":        !p.Plans && len(id.Plans) > 0,
		"Verification": !p.Verification && id.Kind != auth.KindMachine && (id.FactorAges != nil || !id.AuthTime.IsZero() || id.ACR != ""),
	} {
		if lies {
			t.Errorf("%s: an identity of kind %v has them, and the issuer is said not to: %+v", name, id.Kind, p)
		}
	}
}

// TestProvides lists what the tokens of each profile can have, where every kind is
// accepted.
func TestProvides(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"clerk":          "session template oauth machine id: organization roles permissions scopes features plans verification",
		"oidc":           "session oauth machine id: roles permissions scopes verification",
		"auth0":          "session oauth machine id: organization roles permissions scopes verification", // the last of ID tokens alone
		"cognito":        "session oauth machine id: roles scopes verification",
		"dex":            "session oauth machine id: roles verification",
		"entra":          "session oauth machine id: organization roles scopes verification",
		"github-actions": "machine: organization",
		"gitlab":         "machine id: organization verification",
		"google":         "machine id: organization verification",
		"hydra":          "session oauth machine id: roles permissions scopes verification",
		"keycloak":       "session oauth machine id: organization roles scopes verification",
		"kubernetes":     "machine:",
		"okta":           "session oauth machine id: roles scopes verification",
		"spiffe":         "machine:",
		"supabase":       "session oauth machine id: organization roles permissions verification",
		"workos":         "session oauth machine id: organization roles permissions verification",
		"zitadel":        "session oauth machine id: organization roles scopes verification",
	}
	for _, profile := range token.Profiles() {
		issuer := token.Issuer{URL: "https://issuer.example.com", Profile: profile, Kinds: everyKind}
		p := issuer.Capabilities()
		if got := inWords(p); got != want[profile.Name] {
			t.Errorf("%s: %q, want %q", profile.Name, got, want[profile.Name])
		}
		if p.Issuer != "https://issuer.example.com" {
			t.Errorf("%s: issuer %q", profile.Name, p.Issuer)
		}
	}
}

func inWords(p auth.IssuerCapabilities) string {
	var kinds, fields []string
	for _, kind := range p.Kinds {
		kinds = append(kinds, kind.String())
	}
	for i := range reflect.TypeFor[auth.IssuerCapabilities]().NumField() {
		if field := reflect.ValueOf(p).Field(i); field.Kind() == reflect.Bool && field.Bool() {
			fields = append(fields, strings.ToLower(reflect.TypeFor[auth.IssuerCapabilities]().Field(i).Name))
		}
	}
	return strings.TrimSpace(strings.Join(kinds, " ") + ": " + strings.Join(fields, " "))
}

// Settings of an issuer that change its profile change what it provides.
func TestProvidesBySettings(t *testing.T) {
	t.Parallel()
	own := token.OIDC()
	own.OrganizationID, own.Roles, own.Groups, own.Permissions = []token.ClaimPath{{"tenant"}}, nil, []token.ClaimPath{{"teams"}}, nil
	bare := token.OIDC()
	bare.Roles, bare.Groups = nil, nil
	auth0 := token.Auth0()
	for _, tt := range []struct {
		name   string
		issuer token.Issuer
		want   string
	}{
		{"nothing set", token.Issuer{}, "session oauth: roles permissions scopes verification"},
		{"one kind", token.Issuer{Kinds: []auth.TokenKind{auth.KindMachine}}, "machine: roles permissions scopes verification"},
		{"a kind that no token has", token.Issuer{Kinds: []auth.TokenKind{auth.KindTemplate}}, ": roles permissions scopes verification"},
		{"templates without an audience", token.Issuer{Profile: token.Clerk()}, "session: organization roles permissions scopes features plans verification"},
		{"templates", token.Issuer{Profile: token.Clerk(), Audiences: []string{"api"}}, "session template: organization roles permissions scopes features plans verification"},
		{"claims of one's own", token.Issuer{Profile: own}, "session oauth: organization roles scopes verification"},
		{"neither roles nor groups", token.Issuer{Profile: bare}, "session oauth: permissions scopes verification"},
		{"jobs of GitHub Actions, whatever the profile", token.Issuer{URL: "https://token.actions.githubusercontent.com"}, "machine: roles permissions scopes verification"},
		{"access tokens that say nothing of verification", token.Issuer{Profile: auth0}, "session oauth: organization roles permissions scopes"},
	} {
		if got := inWords(tt.issuer.Capabilities()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
