package connectauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ostiary/ostiary"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
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

func Example() {
	issuer, stop := startIssuer() // in production your provider
	defer stop()
	mux := http.NewServeMux()

	guard, err := ostiary.New(ostiary.Config{Issuer: issuer.URL(), Profile: "clerk"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(identityService{}, connectauth.WithGuard(guard)))
	server := httptest.NewServer(httpauth.RequireGuard(guard, mux)) // refuses what was mounted without a guard
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

// startIssuer starts an issuer of tokens for this example.
func startIssuer() (issuer *authtest.Issuer, stop func()) {
	server := httptest.NewUnstartedServer(nil)
	issuer = authtest.New("http://" + server.Listener.Addr().String())
	server.Config.Handler = issuer
	server.Start()
	return issuer, server.Close
}
