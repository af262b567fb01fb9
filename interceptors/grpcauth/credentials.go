package grpcauth

import (
	"context"
	"net"
	"net/url"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/internal/loopback"
)

// Credentials sends a token of the source with every call, as authorization:
// Bearer (RFC 6750, section 2.1):
//
//	conn, err := grpc.NewClient("api.example.com:443",
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)),
//		grpc.WithPerRPCCredentials(grpcauth.Credentials(source)),
//	)
//
// A token is given only to a connection that is private and authentic, which is
// judged for each call on the connection that it goes out on, or to one
// that stays on this machine: a Unix socket, a loopback address for a target
// that is named as one, or a connection within the process, such as bufconn's. Any other call fails with [codes.Unauthenticated] before
// it is sent. A source that fails makes the call fail with the same code, or
// with that of its context's error.
//
// Over bufconn, dial a target such as passthrough:///bufconn: any other is looked up in
// the DNS by grpc-go.
//
// A call that brings authorization metadata of its own would carry two tokens;
// an ostiary server refuses it as CREDENTIALS_AMBIGUOUS.
func Credentials(source authclient.TokenSource, options ...CredentialsOption) credentials.PerRPCCredentials {
	c := &tokenCredentials{source: source}
	for _, option := range options {
		option.apply(c)
	}
	return c
}

// A CredentialsOption changes when [Credentials] gives a token.
type CredentialsOption interface{ apply(*tokenCredentials) }

// InsecureAllowPlaintext sends tokens over plaintext to any host. Anybody on the
// network path can then read and use a token. Use it only in a network where every
// link is encrypted by other means.
func InsecureAllowPlaintext() CredentialsOption { return allowPlaintext{} }

type allowPlaintext struct{}

func (allowPlaintext) apply(to *tokenCredentials) { to.plaintext = true }

type tokenCredentials struct {
	source    authclient.TokenSource
	plaintext bool
}

// GetRequestMetadata implements credentials.PerRPCCredentials. Its codes are
// among those that grpc-go lets credentials use (gRFC A54).
func (c *tokenCredentials) GetRequestMetadata(ctx context.Context, audience ...string) (map[string]string, error) {
	if c.source == nil {
		return nil, status.Error(codes.Unauthenticated, "grpcauth.Credentials: the token source is nil; give it one, such as authclient.StaticToken")
	}
	if !c.plaintext && !isPrivate(ctx) && !staysHere(ctx, audience) {
		return nil, status.Error(codes.Unauthenticated,
			"refuse to send a token in plaintext to another machine: use TLS, or grpcauth.InsecureAllowPlaintext where the network encrypts")
	}
	token, err := c.source.Token(ctx)
	if err != nil {
		return nil, status.Errorf(codeOf(err), "get a token for the call: %v", err)
	}
	if token == "" {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity returns false, since grpc-go would otherwise refuse
// plaintext to loopback, too. GetRequestMetadata is the stricter judge: it sees
// the connection of each call.
func (c *tokenCredentials) RequireTransportSecurity() bool { return false }

func isPrivate(ctx context.Context) bool {
	info, ok := credentials.RequestInfoFromContext(ctx)
	return ok && credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity) == nil
}

// staysHere reports whether the connection ends on this machine and was meant
// to: a proxy on loopback would pass the token on to who knows where.
func staysHere(ctx context.Context, audience []string) bool {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return false
	}
	switch addr := p.Addr.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return loopback.Addr(addr.AddrPort().Addr()) && namesLoopback(audience)
	default:
		return slices.Contains([]string{"bufconn", "pipe"}, p.Addr.Network()) // of grpc/test/bufconn and net.Pipe
	}
}

// namesLoopback reads the audience as grpc-go makes it, https://host:port/service,
// whatever the transport.
func namesLoopback(audience []string) bool {
	for _, uri := range audience {
		target, err := url.Parse(uri)
		if err != nil || !loopback.Host(target.Hostname()) {
			return false
		}
	}
	return len(audience) > 0
}

// codeOf returns the code of a token source's error.
func codeOf(err error) codes.Code {
	if code := status.FromContextError(err).Code(); code != codes.Unknown {
		return code
	}
	return codes.Unauthenticated
}
