package connectauth

import (
	"context"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// interceptor comes after the gate: it shows the Guard the messages of a call,
// and lets handlers refuse, by giving an *auth.Error that one returns the form
// that the gate's refusals have.
type interceptor struct{ guard *auth.Guard }

func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if err := i.guard.CheckMessage(ctx, req.Any()); err != nil {
			return nil, refuse(auth.AsError(err), req.Peer().Protocol)
		}
		res, err := next(ctx, req)
		return res, translate(err, req.Peer().Protocol)
	}
}

func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		checked := &checkedConn{StreamingHandlerConn: conn, ctx: ctx, guard: i.guard}
		err := next(ctx, checked)
		if refusal := checked.refusal.Load(); refusal != nil {
			return refusal
		}
		return translate(err, conn.Peer().Protocol)
	}
}

func (i *interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// checkedConn is a stream whose messages the Guard decides about.
type checkedConn struct {
	connect.StreamingHandlerConn

	ctx   context.Context
	guard *auth.Guard
	// refusal of a message ends the stream, even where the handler takes it for
	// the end of what the client sends.
	refusal atomic.Pointer[connect.Error]
}

func (c *checkedConn) Receive(message any) error {
	if refusal := c.refusal.Load(); refusal != nil {
		return refusal
	}
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	if err := c.guard.CheckMessage(c.ctx, message); err != nil {
		refusal := refuse(auth.AsError(err), c.Peer().Protocol)
		c.refusal.Store(refusal)
		return refusal
	}
	return nil
}
