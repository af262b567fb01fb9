package connectauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

// tokenInterceptor adds the token. It is safe for concurrent use.
type tokenInterceptor struct {
	source authclient.TokenSource
	host   string
	fault  error // of construction; every call fails with it
}

func (i *tokenInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := i.authorize(ctx, req.Peer(), req.Header()); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func (i *tokenInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec) // nothing is sent before the first Send
		if err := i.authorize(ctx, conn.Peer(), conn.RequestHeader()); err != nil {
			return &failedConn{StreamingClientConn: conn, err: err}
		}
		return conn
	}
}

func (i *tokenInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// authorize puts a token into the header of a call, if it may carry one.
func (i *tokenInterceptor) authorize(ctx context.Context, peer connect.Peer, header http.Header) error {
	if i.fault != nil {
		return connect.NewError(connect.CodeFailedPrecondition, i.fault)
	}
	if peer.Addr != i.host {
		return connect.NewError(connect.CodeFailedPrecondition,
			fmt.Errorf("refuse to send a token for %s to %s: give connectauth.WithToken the client's own base URL", i.host, peer.Addr))
	}
	token, err := i.source.Token(ctx)
	if err != nil {
		return connect.NewError(codeOf(err), fmt.Errorf("get a token for the call: %w", err))
	}
	// Replaced, not added to: a call that is tried again comes by twice.
	header.Del("Authorization")
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

func codeOf(err error) connect.Code {
	switch {
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded
	default:
		return connect.CodeUnauthenticated
	}
}

// failedConn is a stream that was never opened: everything on it fails, and
// nothing of it reaches the network.
type failedConn struct {
	connect.StreamingClientConn

	err error
}

func (c *failedConn) Send(any) error               { return c.err }
func (c *failedConn) Receive(any) error            { return c.err }
func (c *failedConn) CloseRequest() error          { return c.err }
func (c *failedConn) CloseResponse() error         { return c.err }
func (c *failedConn) ResponseHeader() http.Header  { return make(http.Header) }
func (c *failedConn) ResponseTrailer() http.Header { return make(http.Header) }
