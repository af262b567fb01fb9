package ostiary_test

import (
	"context"
	"net/http"
	"testing"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// newGuardOfParts is what docs/getting-started.md shows to those who need more than
// ostiary.New.
func newGuardOfParts(issuer string, revoked *revocation.List, observer auth.Observer) (*auth.Guard, error) {
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: issuer + "/.well-known/jwks.json"})
	if err != nil {
		return nil, err
	}
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer, Profile: token.Clerk(), Keys: keys,
		AuthorizedParties: []string{"https://app.example.com"},
	}}})
	if err != nil {
		return nil, err
	}
	rules, err := policy.New(policy.Linked(), condition.Enable())
	if err != nil {
		return nil, err
	}
	return &auth.Guard{Authenticator: verifier, Policy: rules, Revocations: revoked, Observer: observer}, nil
}

func TestAGuardOfPartsServes(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	refused := make(chan auth.Reason, 1)
	observer := auth.ObserverFunc(func(_ context.Context, d auth.Decision) {
		if d.Refusal != nil {
			refused <- d.Refusal.Reason
		}
	})
	guard, err := newGuardOfParts(issuer.URL(), revocation.New(revocation.Config{}), observer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Close() })
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(connectService{}, connectauth.WithGuard(guard)))
	server := serve(t, connectauth.Abortable(httpauth.RequireGuard(guard, mux)))
	as := func(token string) identityv1connect.IdentityServiceClient {
		return identityv1connect.NewIdentityServiceClient(server.Client(), server.URL,
			connectauth.WithToken(server.URL, authclient.StaticToken(token)))
	}
	page := authtest.With("azp", "https://app.example.com")
	if _, err := as(issuer.Session("user_ada", page)).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{}); err != nil {
		t.Errorf("a token of the page is refused: %v", err)
	}
	_, err = as(issuer.Session("user_ada")).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
	if reason, _ := connectauth.ReasonOf(err); reason != auth.AuthorizedPartyMismatch || <-refused != reason {
		t.Errorf("a token of another page gets %v; want %v, which the observer sees", err, auth.AuthorizedPartyMismatch)
	}
}
