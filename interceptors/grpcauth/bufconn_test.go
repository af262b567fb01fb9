package grpcauth_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// A guarded service is tested over bufconn like over a network.
func TestAGuardedServiceOverBufconn(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t)
	server := grpcauth.NewServer(guard)
	identityv1.RegisterIdentityServiceServer(server, identityService{})
	listener := bufconn.Listen(1 << 20)
	go func() { _ = server.Serve(listener) }() // returns when the server stops
	t.Cleanup(server.Stop)

	dial := func(source authclient.TokenSource) identityv1.IdentityServiceClient {
		conn, err := grpc.NewClient("passthrough:///bufconn", // any other target is looked up in the DNS
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithPerRPCCredentials(grpcauth.Credentials(source)),
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return identityv1.NewIdentityServiceClient(conn)
	}

	ada := dial(authclient.StaticToken(issuer.Session("user_ada")))
	res, err := ada.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
	if err != nil || res.GetIdentity().GetSubject() != "user_ada" {
		t.Errorf("%v, %v; want user_ada", res, err)
	}
	nobody := dial(authclient.StaticToken(""))
	_, err = nobody.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
	if reason, ok := grpcauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
		t.Errorf("%v; want %v", err, auth.TokenMissing)
	}
}

func TestCredentialsSendTheTokenWithinTheProcess(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	piped := make(chan net.Conn, 1)
	piped <- server
	listener := bufconn.Listen(1 << 16)
	serve(t, listener, guarded)
	serve(t, &pipeListener{conns: piped, closed: make(chan struct{})}, guarded)
	for name, dialer := range map[string]func(context.Context) (net.Conn, error){
		"over bufconn": listener.DialContext,
		"over a pipe":  func(context.Context) (net.Conn, error) { return client, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertGreeted(t, dial(t, "passthrough:///in-process",
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialer(ctx) }),
				grpc.WithPerRPCCredentials(grpcauth.Credentials(source))))
		})
	}
}

// A pipeListener accepts the server's ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
