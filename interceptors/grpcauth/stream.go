package grpcauth

import (
	"context"

	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// serve runs the handler of an admitted stream under its lease. A message that
// waits for a client which has stopped reading needs no abort: grpc-go gives it
// up when the handler returns.
func serve(ctx context.Context, guard *auth.Guard, stream grpc.ServerStream, handle func(grpc.ServerStream) error) error {
	return guard.Serve(ctx, func(ctx context.Context, leased *auth.Stream) error {
		return handle(&leasedStream{ServerStream: stream, ctx: ctx, lease: leased})
	}, nil)
}

// leasedStream is a stream whose context carries the identity, and that ends
// with its lease. What else it has, grpc-go lets a handler use while the stream
// is being closed, and afterwards.
type leasedStream struct {
	grpc.ServerStream

	ctx   context.Context
	lease *auth.Stream
}

func (s *leasedStream) Context() context.Context { return s.ctx }

// RecvMsg shows the Guard what was received.
func (s *leasedStream) RecvMsg(message any) error {
	if err := s.lease.Err(); err != nil {
		return err
	}
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return s.lease.ReceivedError(err)
	}
	return s.lease.Received(message)
}

func (s *leasedStream) SendMsg(message any) error {
	return s.lease.Send(func() error { return s.ServerStream.SendMsg(message) })
}
