package served

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"connectrpc.com/authn"
	"connectrpc.com/connect"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/connectauth"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/verifiers"
)

func (c Config) serveConnect(ctx context.Context, listener net.Listener) (func(), error) {
	handler, err := c.connectHandler(ctx)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, Protocols: unencryptedHTTP2()} //nolint:gosec // its one caller is the parent process
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}

func unencryptedHTTP2() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

// connectHandler is the service with its guard, inside connect or around it.
func (c Config) connectHandler(ctx context.Context) (http.Handler, error) {
	switch c.Guard {
	case None:
		return echoHandler(), nil
	case Ours, OursCold:
		guard, err := c.ours(ctx)
		if err != nil {
			return nil, err
		}
		return echoHandler(connectauth.WithGuard(guard)), nil
	case Authn:
		verify, err := verifiers.GolangJWT(ctx, c.Trust)
		if err != nil {
			return nil, err
		}
		return authn.NewMiddleware(bearer(verify)).Wrap(echoHandler()), nil
	case Clerk:
		protect := clerkhttp.RequireHeaderAuthorization(
			clerkhttp.JSONWebKey(string(c.Trust.PEM)),
			clerkhttp.AuthorizedPartyMatches(issuer.Party),
		)
		return protect(echoHandler()), nil
	default:
		return nil, fmt.Errorf("no guard %q for %s", c.Guard, c.Transport)
	}
}

func bearer(verify verifiers.Verify) authn.AuthFunc {
	return func(ctx context.Context, request *http.Request) (any, error) {
		token, ok := authn.BearerToken(request)
		if !ok {
			return nil, authn.Errorf("no token")
		}
		if err := verify(ctx, token); err != nil {
			return nil, authn.Errorf("%w", err)
		}
		return token, nil
	}
}

// echoHandler leaves small messages uncompressed, as any careful server does:
// otherwise gzip is what would be measured.
func echoHandler(options ...connect.HandlerOption) http.Handler {
	options = append(options, connect.WithCompressMinBytes(1024))
	mux := http.NewServeMux()
	mux.Handle(unaryProcedure, connect.NewUnaryHandlerSimple(unaryProcedure, unary, options...))
	mux.Handle(receiveProcedure, connect.NewServerStreamHandlerSimple(receiveProcedure,
		func(_ context.Context, request *wrapperspb.Int64Value, stream *connect.ServerStream[wrapperspb.StringValue]) error {
			return receive(request, stream.Send)
		}, options...))
	mux.Handle(sendProcedure, connect.NewClientStreamHandlerSimple(sendProcedure,
		func(_ context.Context, stream *connect.ClientStream[wrapperspb.StringValue]) (*wrapperspb.Int64Value, error) {
			var count int64
			for stream.Receive() {
				count++
			}
			return wrapperspb.Int64(count), stream.Err()
		}, options...))
	mux.Handle(watchProcedure, connect.NewServerStreamHandlerSimple(watchProcedure,
		func(ctx context.Context, _ *wrapperspb.Int64Value, stream *connect.ServerStream[wrapperspb.StringValue]) error {
			return watch(ctx, stream.Send)
		}, options...))
	return mux
}
