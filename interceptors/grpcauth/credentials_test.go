package grpcauth_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

const source = authclient.StaticToken(guardtest.GoodToken)

func guarded(s *grpc.Server) {
	grpcauth.Gate(s, guardtest.NewGuard(nil)).RegisterService(&echo, guardtest.Handler(guardtest.WhoCalls))
}

func assertGreeted(t *testing.T, conn *grpc.ClientConn, options ...grpc.CallOption) {
	t.Helper()
	for shape := range guardtest.Procedures {
		reply, _, err := call(t.Context(), conn, shape, wrapperspb.String("hello"), options...)
		if err != nil || reply != "ada hello" {
			t.Errorf("%v: reply %q, error %v; want %q", shape, reply, err, "ada hello")
		}
	}
}

func TestCredentialsSendTheTokenOverTLS(t *testing.T) {
	t.Parallel()
	certificates := httptest.NewTLSServer(nil) // lends its certificate
	t.Cleanup(certificates.Close)
	addr := newServer(t, guarded, grpc.Creds(credentials.NewServerTLSFromCert(&certificates.TLS.Certificates[0])))
	pool := x509.NewCertPool()
	pool.AddCert(certificates.Certificate())
	conn := dial(t, addr,
		grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "example.com")),
		grpc.WithPerRPCCredentials(grpcauth.Credentials(source)))
	assertGreeted(t, conn)
}

func TestCredentialsSendTheTokenToThisMachineInPlaintext(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "socket")
	unix, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, unix, guarded)
	_, port, err := net.SplitHostPort(newServer(t, guarded))
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"to a loopback address": "127.0.0.1:" + port,
		"to localhost":          "passthrough:///localhost:" + port,
		"to a Unix socket":      "unix:" + socket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertGreeted(t, dial(t, target, grpc.WithPerRPCCredentials(grpcauth.Credentials(source))))
		})
		t.Run(name+", given for one call", func(t *testing.T) {
			t.Parallel()
			assertGreeted(t, dial(t, target), grpc.PerRPCCredentials(grpcauth.Credentials(source)))
		})
	}
}

// elsewhere is a connection that ends on another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 443} }

// unheardOf is a connection of a kind that the credentials do not know.
type unheardOf struct{ net.Conn }

func (unheardOf) RemoteAddr() net.Addr { return &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func TestCredentialsKeepTheTokenFromPlaintextThatLeavesTheMachine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		target string
		wrap   func(net.Conn) net.Conn
	}{
		"to another machine":                       {target: "passthrough:///api.example.com:80", wrap: func(c net.Conn) net.Conn { return elsewhere{c} }},
		"to another machine that claims localhost": {target: "passthrough:///localhost:80", wrap: func(c net.Conn) net.Conn { return elsewhere{c} }},
		"to an address, by way of a proxy":         {target: "passthrough:///192.0.2.1:80", wrap: func(c net.Conn) net.Conn { return c }},
		"to an IPv6 address, by way of a proxy":    {target: "passthrough:///[2001:db8::1]:80", wrap: func(c net.Conn) net.Conn { return c }},
		"over a connection of an unknown kind":     {target: "passthrough:///localhost:80", wrap: func(c net.Conn) net.Conn { return unheardOf{c} }},
		"by way of a proxy on loopback":            {target: "passthrough:///api.example.com:80", wrap: func(c net.Conn) net.Conn { return c }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := newServer(t, guarded)
			dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
				if err != nil {
					return nil, err
				}
				return test.wrap(conn), nil
			})
			asked := authclient.TokenFunc(func(context.Context) (string, error) {
				t.Error("the source was asked for a token")
				return guardtest.GoodToken, nil
			})
			conn := dial(t, test.target, dialer, grpc.WithPerRPCCredentials(grpcauth.Credentials(asked)))
			for shape := range guardtest.Procedures {
				_, _, err := call(t.Context(), conn, shape, wrapperspb.String("hello"))
				if _, ours := grpcauth.ReasonOf(err); ours || status.Code(err) != codes.Unauthenticated {
					t.Errorf("%v: error %v; want a local refusal with code Unauthenticated", shape, err)
				}
			}
			insecure := grpcauth.Credentials(source, grpcauth.InsecureAllowPlaintext())
			assertGreeted(t, dial(t, test.target, dialer, grpc.WithPerRPCCredentials(insecure)))
		})
	}
}

func TestCredentialsSendNothingOverAnUnknownConnection(t *testing.T) {
	t.Parallel()
	_, err := grpcauth.Credentials(source).GetRequestMetadata(t.Context(), "https://localhost/"+guardtest.Service)
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("error %v; want code Unauthenticated", err)
	}
	ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}})
	if _, err := grpcauth.Credentials(source).GetRequestMetadata(ctx); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a target: error %v; want code Unauthenticated", err)
	}
}

func TestASourceThatFailsFailsTheCall(t *testing.T) {
	t.Parallel()
	fail := func(err error) authclient.TokenSource {
		return authclient.TokenFunc(func(context.Context) (string, error) { return "", err })
	}
	tests := map[string]struct {
		source authclient.TokenSource
		code   codes.Code
	}{
		"for its own reason":         {source: fail(errors.New("the vault is locked")), code: codes.Unauthenticated},
		"because the caller gave up": {source: fail(context.Canceled), code: codes.Canceled},
		"because time ran out":       {source: fail(fmt.Errorf("fetch: %w", context.DeadlineExceeded)), code: codes.DeadlineExceeded},
		"with a code of its own":     {source: fail(status.Error(codes.NotFound, "no such secret")), code: codes.Unauthenticated},
		"because it is missing":      {source: nil, code: codes.Unauthenticated},
		"without a caller to relay":  {source: authclient.RelayCaller(), code: codes.Unauthenticated},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := newServer(t, func(s *grpc.Server) { s.RegisterService(&echo, guardtest.NeverCalled(t)) })
			conn := dial(t, addr, grpc.WithPerRPCCredentials(grpcauth.Credentials(test.source)))
			_, _, err := call(t.Context(), conn, auth.Unary, wrapperspb.String("hello"))
			if status.Code(err) != test.code {
				t.Errorf("error %v; want code %v", err, test.code)
			}
		})
	}
}

func TestAnEmptyTokenSendsNone(t *testing.T) {
	t.Parallel()
	conn := dial(t, newServer(t, guarded), grpc.WithPerRPCCredentials(grpcauth.Credentials(authclient.StaticToken(""))))
	_, trailer, err := call(t.Context(), conn, auth.Unary, wrapperspb.String("hello"))
	assertRefusal(t, err, trailer, auth.TokenMissing, auth.TokenMissing.Message())
}

func TestACallWithATokenOfItsOwnIsAmbiguous(t *testing.T) {
	t.Parallel()
	conn := dial(t, newServer(t, guarded), grpc.WithPerRPCCredentials(grpcauth.Credentials(source)))
	_, trailer, err := call(bearer(t.Context(), "another-token"), conn, auth.Unary, wrapperspb.String("hello"))
	assertRefusal(t, err, trailer, auth.CredentialsAmbiguous, auth.CredentialsAmbiguous.Message())
}
