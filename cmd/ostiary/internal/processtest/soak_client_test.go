//go:build linux

package processtest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// A soakClient calls by one protocol, over TLS connections of its own.
type soakClient struct {
	whoAmI func(ctx context.Context) error
	revoke func(ctx context.Context) error                        // the session of the token
	watch  func(ctx context.Context) (recv func() error, _ error) // the sessions of the subject
	closed func()                                                 // of the client itself, if there is anything

	mu    sync.Mutex
	conns []*net.TCPConn
}

// withCaller gives the calls of either kind of client a token, if there is one, and an address
// that a proxy has seen.
func withCaller(ctx context.Context, token, address string) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, "x-forwarded-for", address)
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set("X-Forwarded-For", address)
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		info.RequestHeader().Set("Authorization", "Bearer "+token)
	}
	return ctx
}

func (c *soakClient) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn.(*net.TCPConn))
	return conn, nil
}

// die ends all connections as those of a client that has crashed.
func (c *soakClient) die() { c.end(func(conn *net.TCPConn) { _ = conn.SetLinger(0) }) }

// close ends all connections, also those that the transport does not take for idle yet.
func (c *soakClient) close() { c.end(func(*net.TCPConn) {}) }

func (c *soakClient) end(before func(*net.TCPConn)) {
	c.mu.Lock()
	conns := c.conns
	c.conns = nil
	c.mu.Unlock()
	for _, conn := range conns {
		before(conn)
		_ = conn.Close()
	}
	if c.closed != nil {
		c.closed()
	}
}

func (c *soakClient) transport() *http.Transport {
	return &http.Transport{DialContext: c.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
}

var soakProtocols = []string{"connect", "grpc", "grpcweb", "native"}

var endCurrentSession = &sessionv1.RevokeSessionRequest{Target: &sessionv1.RevokeSessionRequest_CurrentSession{}, Cause: "soak"}

func (s *soak) client(protocol string) *soakClient {
	if protocol == "native" {
		return nativeSoakClient(s.grpc)
	}
	c := new(soakClient)
	var options []connect.ClientOption
	switch protocol {
	case "grpc":
		options = append(options, connect.WithGRPC())
	case "grpcweb":
		options = append(options, connect.WithGRPCWeb())
	}
	client, url := &http.Client{Transport: c.transport()}, "https://"+s.http
	identities := identityv1connect.NewIdentityServiceClient(client, url, options...)
	sessions := sessionv1connect.NewSessionServiceClient(client, url, options...)
	c.whoAmI = func(ctx context.Context) error {
		_, err := identities.WhoAmI(ctx, new(identityv1.WhoAmIRequest))
		return err
	}
	c.revoke = func(ctx context.Context) error {
		_, err := sessions.RevokeSession(ctx, endCurrentSession)
		return err
	}
	c.watch = func(ctx context.Context) (func() error, error) {
		stream, err := sessions.WatchSessions(ctx, new(sessionv1.WatchSessionsRequest))
		if err != nil {
			return nil, err
		}
		return func() error {
			if stream.Receive() {
				return nil
			}
			err := stream.Err()
			_ = stream.Close()
			if err == nil {
				err = io.EOF
			}
			return err
		}, nil
	}
	return c
}

func nativeSoakClient(addr string) *soakClient {
	c := new(soakClient)
	conn, err := grpc.NewClient("passthrough:"+addr, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return c.dial(ctx, "tcp", addr) }))
	if err != nil {
		panic(err) // the address is well formed
	}
	c.closed = func() { _ = conn.Close() }
	identities, sessions := identityv1.NewIdentityServiceClient(conn), sessionv1.NewSessionServiceClient(conn)
	c.whoAmI = func(ctx context.Context) error {
		_, err := identities.WhoAmI(ctx, new(identityv1.WhoAmIRequest))
		return err
	}
	c.revoke = func(ctx context.Context) error {
		_, err := sessions.RevokeSession(ctx, endCurrentSession)
		return err
	}
	c.watch = func(ctx context.Context) (func() error, error) {
		stream, err := sessions.WatchSessions(ctx, new(sessionv1.WatchSessionsRequest))
		if err != nil {
			return nil, err
		}
		return func() error {
			_, err := stream.Recv()
			return err
		}, nil
	}
	return c
}

// outcomeOf names how a call or a stream has ended: OK, the reason of a refusal, or a code.
func outcomeOf(err error) string {
	if err == nil {
		return "OK"
	}
	if reason, refused := connectauth.ReasonOf(err); refused {
		return reason.String()
	}
	if reason, refused := grpcauth.ReasonOf(err); refused {
		return reason.String()
	}
	if code := connect.CodeOf(err); code != connect.CodeUnknown {
		return codes.Code(code).String()
	}
	return status.Code(err).String()
}
