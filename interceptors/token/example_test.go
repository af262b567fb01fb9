package token_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A Keycloak realm: users through the service's own page are sessions, and jobs
// may call too.
func ExampleNew() {
	realm := authtest.New("https://sso.example.com/realms/acme") // yours is real, and its keys are fetched by jwks.NewRemote
	keys, err := jwks.ParsePEM(realm.PublicPEM())
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL:               realm.URL(),
		Profile:           token.Keycloak(),
		Keys:              keys,
		Audiences:         []string{"orders"},
		FirstPartyClients: []string{"orders-web"},
		Kinds:             []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	orders := authtest.With("aud", "orders")
	for _, raw := range []string{
		realm.UserOf("keycloak", "ada", orders, authtest.With("azp", "orders-web")),
		realm.UserOf("keycloak", "ada", orders, authtest.With("azp", "partner")),
		realm.MachineOf("keycloak", "5b0c6b4e", orders),
		realm.UserOf("keycloak", "ada", orders, authtest.With("typ", "ID")),
	} {
		id, err := verifier.Verify(context.Background(), raw)
		if err != nil {
			fmt.Println(auth.AsError(err).Reason, "because it is", errors.Unwrap(err))
			continue
		}
		fmt.Println(id.Subject, "by a token of kind", id.Kind)
	}
	// Output:
	// ada by a token of kind session
	// ada by a token of kind oauth
	// 5b0c6b4e by a token of kind machine
	// TOKEN_KIND_UNSUPPORTED because it is a token of kind id; accepted from https://sso.example.com/realms/acme: session, oauth, machine
}

// A profile is data: copy one, and name the paths where your issuer differs.
func ExampleProfile() {
	profile := token.OIDC()
	profile.Roles = []token.ClaimPath{{"https://example.com/roles"}, {"resource_access", token.AudiencePlaceholder, "roles"}}
	profile.NameMember = "name" // a role is an object, such as {"name": "admin"}

	issuer := authtest.New("https://login.example.com")
	keys, err := jwks.ParsePEM(issuer.PublicPEM())
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer.URL(), Profile: profile, Keys: keys, Audiences: []string{"orders"},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := verifier.Verify(context.Background(), issuer.OIDC("ada", authtest.With("aud", "orders"),
		authtest.With("https://example.com/roles", []any{map[string]string{"name": "admin"}}),
		authtest.With("resource_access", map[string]any{"orders": map[string]any{"roles": []string{"clerk"}}}),
	))
	fmt.Println(id.Roles, err)
	// Output: [admin clerk] <nil>
}
