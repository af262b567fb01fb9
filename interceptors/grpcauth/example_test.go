package grpcauth_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// identityService is a service like any other: it reads who is calling from its
// context.
type identityService struct {
	identityv1.UnimplementedIdentityServiceServer
}

func (identityService) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	caller := auth.MustFromContext(ctx)
	return &identityv1.WhoAmIResponse{Identity: &identityv1.Identity{Subject: caller.Subject}}, nil
}

func Example() {
	issuer, stop := startIssuer() // in production your provider
	defer stop()

	guard, err := ostiary.New(ostiary.Config{Issuer: issuer.URL(), Profile: "clerk"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()
	server := grpcauth.NewServer(guard) // and the options of grpc.NewServer
	identityv1.RegisterIdentityServiceServer(server, identityService{})

	defer server.Stop()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.Serve(listener) }() // returns when the server stops

	// A client that sends a token is answered; without TLS only because it calls
	// its own machine.
	source := authclient.StaticToken(issuer.Session("user_ada"))
	fmt.Println(whoAmI(listener.Addr().String(), grpc.WithPerRPCCredentials(grpcauth.Credentials(source))))

	// One that sends none receives the reason.
	_, err = whoAmI(listener.Addr().String())
	reason, _ := grpcauth.ReasonOf(err)
	fmt.Println(reason)
	// Output:
	// user_ada <nil>
	// TOKEN_MISSING
}

func whoAmI(target string, options ...grpc.DialOption) (string, error) {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	res, err := identityv1.NewIdentityServiceClient(conn).WhoAmI(context.Background(), &identityv1.WhoAmIRequest{})
	return res.GetIdentity().GetSubject(), err
}

// startIssuer starts an issuer of tokens for this example.
func startIssuer() (issuer *authtest.Issuer, stop func()) {
	server := httptest.NewUnstartedServer(nil)
	issuer = authtest.New("http://" + server.Listener.Addr().String())
	server.Config.Handler = issuer
	server.Start()
	return issuer, server.Close
}
