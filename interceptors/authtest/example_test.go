package authtest_test

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A verifier that holds the issuer's public key needs no network at all.
func ExampleNew() {
	issuer := authtest.New("https://clerk.example.com")
	keys, err := jwks.ParsePEM(issuer.PublicPEM())
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL:               issuer.URL(),
		Keys:              keys,
		Profile:           token.Clerk(),
		AuthorizedParties: []string{"https://app.example.com"},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	party := authtest.With("azp", "https://app.example.com")
	acme := authtest.InOrganization("org_acme", "acme", "admin", "invoices:read", "invoices:delete")
	id, err := verifier.Verify(context.Background(), issuer.Session("user_ada", party, acme))
	fmt.Println(id.Subject, id.Organization.Role, id.Permissions, err)

	_, err = verifier.Verify(context.Background(), issuer.Session("user_ada", acme))
	reason, _ := auth.ReasonOf(err)
	fmt.Println(reason)

	forged := authtest.SignedBy(authtest.NewKey("RS256"))
	_, err = verifier.Verify(context.Background(), issuer.Session("user_ada", party, forged))
	reason, _ = auth.ReasonOf(err)
	fmt.Println(reason)
	// Output:
	// user_ada org:admin [org:invoices:read org:invoices:delete] <nil>
	// AUTHORIZED_PARTY_MISMATCH
	// SIGNATURE_INVALID
}
