package connectauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
)

// identityService is a service like any other: it reads who is calling from its
// context.
type identityService struct {
	identityv1connect.UnimplementedIdentityServiceHandler
}

func (identityService) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	caller := auth.MustFromContext(ctx)
	return &identityv1.WhoAmIResponse{Identity: &identityv1.Identity{Subject: caller.Subject}}, nil
}

// newHandler is all that it takes to guard a service.
func newHandler(issuer string, keys jwks.Set) (string, http.Handler, error) {
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer, Keys: keys, Profile: token.Clerk(), AllowAnyAudience: true,
	}}})
	if err != nil {
		return "", nil, err
	}
	rules, err := policy.New(policy.Services(identityv1connect.IdentityServiceName))
	if err != nil {
		return "", nil, err
	}
	guard := &auth.Guard{Authenticator: verifier, Policy: rules}
	path, handler := identityv1connect.NewIdentityServiceHandler(identityService{}, connectauth.WithGuard(guard))
	return path, handler, nil
}

func Example() {
	// In production the keys are jwks.NewRemote's; here an issuer made for tests
	// hands its one over.
	issuer := authtest.New("https://clerk.example.com")
	keys, err := jwks.ParsePEM(issuer.PublicPEM())
	if err != nil {
		fmt.Println(err)
		return
	}
	path, handler, err := newHandler(issuer.URL(), keys)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	server := httptest.NewServer(mux)
	defer server.Close()

	// A client that sends a token is answered.
	source := authclient.StaticToken(issuer.Session("user_ada"))
	ada := identityv1connect.NewIdentityServiceClient(server.Client(), server.URL, connectauth.WithToken(server.URL, source))
	res, err := ada.WhoAmI(context.Background(), &identityv1.WhoAmIRequest{})
	fmt.Println(res.GetIdentity().GetSubject(), err)

	// One that sends none receives the reason.
	stranger := identityv1connect.NewIdentityServiceClient(server.Client(), server.URL)
	_, err = stranger.WhoAmI(context.Background(), &identityv1.WhoAmIRequest{})
	reason, _ := connectauth.ReasonOf(err)
	fmt.Println(reason)
	// Output:
	// user_ada <nil>
	// TOKEN_MISSING
}
