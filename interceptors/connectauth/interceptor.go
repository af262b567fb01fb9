package connectauth

import (
	"context"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// interceptor comes after the gate: it shows the Guard the messages of a call,
// serves a stream under its lease, and lets handlers refuse, by giving an
// *auth.Error that one returns the form that the gate's refusals have.
type interceptor struct{ guard *auth.Guard }

func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := i.guard.CheckRequest(ctx, req.Any()); err != nil {
			return nil, refuse(i.guard, auth.AsError(err), req.Peer().Protocol)
		}
		res, err := next(ctx, req)
		return res, translate(i.guard, err, req.Peer().Protocol)
	}
}

func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return translate(i.guard, i.serve(ctx, conn, next), conn.Peer().Protocol)
	}
}

func (i *interceptor) serve(ctx context.Context, conn connect.StreamingHandlerConn, next connect.StreamingHandlerFunc) error {
	transport := transportOf(ctx)
	err := i.guard.Serve(ctx, func(ctx context.Context, stream *auth.Stream) error {
		leased := &leasedConn{StreamingHandlerConn: conn, stream: stream}
		defer leased.close()
		return next(ctx, leased)
	}, transport.abortSend)
	if _, refused := auth.ReasonOf(err); refused {
		transport.abortReceive()
	}
	return err
}

func (i *interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
