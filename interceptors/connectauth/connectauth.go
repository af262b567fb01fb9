// Package connectauth guards connect-go handlers, and gives connect-go clients
// a token. It serves Connect, gRPC and gRPC-Web alike.
//
//	guard, err := ostiary.New(config)
//	// ...
//	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(service, connectauth.WithGuard(guard)))
//
// A call is refused before a byte of its body is read, so nothing is decoded or
// decompressed for a stranger. The price is that interceptors do not see the
// refusal; the Guard's Observer does. When the request of a unary call or of a
// server stream was decoded, and before the handler has it, the Guard is asked
// again whether its decision still holds, since a caller may keep the body back.
//
// The guard decides before any interceptor runs, wherever WithGuard stands among the
// options, so that no order leaves a call open. Put it first all the same, as in
//
//	NewInvoiceServiceHandler(service, connectauth.WithGuard(guard), connect.WithInterceptors(validation))
//
// An interceptor before it, such as that of connectrpc.com/validate, sees requests that
// the rule's condition refuses, and says what is wrong with them. Only what is to see such
// refusals belongs there: the interceptors of otelconnect, and those that log. See package
// otelauth for traces and metrics of all refusals.
//
// connect-go reads a body for as long as net/http lets it. Bound that by
// http.Server.ReadTimeout where nothing is streamed, or by a read deadline for
// each unary request (http.ResponseController.SetReadDeadline).
package connectauth

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// WithGuard guards a handler: each call asks the Guard first, and a call that it
// admits reaches the handler with the caller's identity in its context
// ([auth.FromContext]).
//
// A refusal reaches the caller with its code, its message and a
// google.rpc.ErrorInfo that carries the reason, which [ReasonOf] reads, and the id of
// the call as request_id ([auth.RequestID]). The
// WWW-Authenticate header comes with it, except in gRPC, whose trailers may not
// hold it (RFC 9110, section 6.5.1). A handler that returns an *[auth.Error]
// refuses in just the same way.
//
// An admitted stream holds a lease ([auth.StreamTerms]) and ends with it, in both directions.
// Its handler runs in a goroutine of its own, whose context is then cancelled,
// with the *auth.Error that the client gets as its cause. See [Abortable] for
// clients that have stopped reading, and [auth.Guard.Drain] for shutting down.
//
// The guard's Logger gets a line at once for a method that has no rule ([auth.Guard.Mount]), and
// httpauth.RequireGuard learns that the service is guarded.
//
// With a nil Guard every call is refused.
func WithGuard(guard *auth.Guard) connect.HandlerOption {
	if guard == nil {
		guard = &auth.Guard{} // which refuses every call
	}
	return connect.WithHandlerOptions(
		connect.WithConditionalHandlerOptions(func(spec connect.Spec) []connect.HandlerOption {
			guard.Mount(spec.Procedure)
			return nil
		}),
		connect.WithRequestGate(gate(guard)),
		connect.WithInterceptors(&interceptor{guard}),
	)
}

func gate(guard *auth.Guard) connect.RequestGateFunc {
	return func(ctx context.Context, spec connect.Spec, peer connect.Peer, header http.Header) (context.Context, error) {
		admitted, err := guard.Admit(ctx, auth.Call{
			Procedure: spec.Procedure,
			Protocol:  peer.Protocol,
			Stream:    streamType(spec.StreamType),
			Peer:      peer.Addr,
			Header:    header,
			Messages:  true, // by the interceptor
		})
		if err != nil {
			transportOf(ctx).refuse()
			return nil, refuse(admitted, guard, auth.AsError(err), peer.Protocol)
		}
		return admitted, nil
	}
}

func streamType(t connect.StreamType) auth.StreamType {
	switch t {
	case connect.StreamTypeClient:
		return auth.ClientStream
	case connect.StreamTypeServer:
		return auth.ServerStream
	case connect.StreamTypeBidi:
		return auth.BidiStream
	default:
		return auth.Unary
	}
}

// interceptor comes after the gate. It shows the Guard the messages, serves streams under
// their lease, and gives an *auth.Error that a handler returns the form of a refusal.
type interceptor struct{ guard *auth.Guard }

func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := i.guard.CheckRequest(ctx, req.Any()); err != nil {
			return nil, refuse(ctx, i.guard, auth.AsError(err), req.Peer().Protocol)
		}
		res, err := next(ctx, req)
		if err != nil {
			err = translate(ctx, i.guard, err, req.Peer().Protocol)
		}
		return res, err
	}
}

func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return translate(ctx, i.guard, i.serve(ctx, conn, next), conn.Peer().Protocol)
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
