package grpcauth_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
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

// newGuardedServer is all that it takes to guard a service.
func newGuardedServer(issuer string, keys jwks.Set) (*grpc.Server, error) {
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
		URL: issuer, Keys: keys, Profile: token.Clerk(), AllowAnyAudience: true,
	}}})
	if err != nil {
		return nil, err
	}
	rules, err := policy.New(policy.Services(identityv1.IdentityService_ServiceDesc.ServiceName))
	if err != nil {
		return nil, err
	}
	guard := &auth.Guard{Authenticator: verifier, Policy: rules}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcauth.UnaryServerInterceptor(guard)),
		grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(guard)),
	)
	identityv1.RegisterIdentityServiceServer(grpcauth.Gate(server, guard), identityService{})
	return server, nil
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
	server, err := newGuardedServer(issuer.URL(), keys)
	if err != nil {
		fmt.Println(err)
		return
	}
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
