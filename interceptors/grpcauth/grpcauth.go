// Package grpcauth guards grpc-go servers, and gives grpc-go clients a token.
//
//	guard, err := ostiary.New(config)
//	// ...
//	server := grpcauth.NewServer(guard) // and the options of grpc.NewServer
//	invoicev1.RegisterInvoiceServiceServer(server, service)
//
// The guard of [NewServer] decides before any interceptor of the options runs, and before
// a byte of the request is read. Where the server is not yours to make, use the parts that
// NewServer puts together, a [Gate] and the interceptors:
//
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(grpcauth.UnaryServerInterceptor(guard)),
//		grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(guard)),
//	)
//	invoicev1.RegisterInvoiceServiceServer(grpcauth.Gate(server, guard), service)
//
// There the order matters: an interceptor before the guard's sees the streams of strangers,
// and without a Gate their decoded requests too, and nothing shows that. Put the guard's
// first; only recovery, and what is to see refusals, such as logs and metrics, belongs
// before them.
//
// [RequestTimeout] bounds how long the request may take.
package grpcauth

import (
	"context"
	"net"
	"net/netip"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// UnaryServerInterceptor asks the Guard about each unary call. A call that it
// admits goes on with the caller's identity in its context
// ([auth.FromContext]).
//
// A refusal reaches the caller as a status with its code, its message and a
// google.rpc.ErrorInfo that carries the reason, which [ReasonOf] reads, and the id
// of the call as request_id, and with the challenge as www-authenticate in the trailer. A handler that returns an
// *[auth.Error] refuses in just the same way.
//
// A call gets a new id ([auth.RequestID]), unless a stats.Handler has given its context one
// ([auth.WithRequestID]), such as one that a proxy has sent.
//
// With a nil Guard every call is refused.
func UnaryServerInterceptor(guard *auth.Guard) grpc.UnaryServerInterceptor {
	guard = orRefuseAll(guard)
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if refusal, shown := ctx.Value(shownKey{guard}).(error); shown {
			return nil, refusal
		}
		ctx, first, err := admit(ctx, guard, info.FullMethod, auth.Unary)
		if err == nil && first {
			err = guard.CheckRequest(ctx, req)
		}
		if err != nil {
			return nil, refuse(ctx, guard, auth.AsError(err))
		}
		res, err := handler(ctx, req)
		if err != nil {
			err = translate(ctx, guard, err)
		}
		return res, err
	}
}

// StreamServerInterceptor asks the Guard about each streaming call, before a
// message of it is read. A message that the rule refuses ends the stream,
// whatever the handler makes of it. Otherwise it is as [UnaryServerInterceptor].
//
// An admitted stream holds a lease ([auth.StreamTerms]) and ends with it. The handler runs in
// a goroutine of its own, whose context is then cancelled, with the *auth.Error
// that the client gets as its cause. See [auth.Guard.Drain] for shutting down.
func StreamServerInterceptor(guard *auth.Guard) grpc.StreamServerInterceptor {
	guard = orRefuseAll(guard)
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		shape := streamType(info.IsClientStream, info.IsServerStream)
		ctx, first, err := admit(stream.Context(), guard, info.FullMethod, shape)
		if err != nil {
			return refuse(ctx, guard, auth.AsError(err))
		}
		if !first {
			return handler(server, stream) // the outer interceptor serves it already
		}
		// A message that waits for a client which has stopped reading needs no abort:
		// grpc-go gives it up when the handler returns.
		err = guard.Serve(ctx, func(ctx context.Context, lease *auth.Stream) error {
			return handler(server, &leasedStream{ServerStream: stream, ctx: ctx, lease: lease})
		}, nil)
		if err != nil {
			err = translate(ctx, guard, err)
		}
		return err
	}
}

// orRefuseAll makes a Guard that was forgotten one that refuses every call.
func orRefuseAll(guard *auth.Guard) *auth.Guard {
	if guard == nil {
		return &auth.Guard{}
	}
	return guard
}

func streamType(client, server bool) auth.StreamType {
	switch {
	case client && server:
		return auth.BidiStream
	case client:
		return auth.ClientStream
	case server:
		return auth.ServerStream
	default:
		return auth.Unary
	}
}

// admit asks the guard about a call, unless it has admitted this very call
// already: behind a Gate the interceptor sees the call a second time. Only the first
// of the two checks the messages.
func admit(ctx context.Context, guard *auth.Guard, procedure string, stream auth.StreamType) (admitted context.Context, first bool, err error) {
	if guard.Admitted(ctx, procedure) {
		return ctx, false, nil
	}
	admitted, err = guard.Admit(ctx, auth.Call{
		Procedure: procedure,
		Protocol:  "grpc",
		Stream:    stream,
		Peer:      peerOf(ctx),
		Header:    header{ctx},
		Messages:  true,
	})
	return admitted, true, err
}

// peerOf returns the address of the caller, as net.Addr writes it. It is asked for each call,
// and a netip.AddrPort writes the same more cheaply.
func peerOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok && tcp != nil && len(tcp.IP) > 0 {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
	}
	return p.Addr.String()
}

// header is the metadata of a call.
type header struct{ context.Context }

// Values implements auth.Header. It copies the values of one key only;
// metadata.FromIncomingContext would copy them all. That takes a name in any case, and finds
// one in lower case the sooner.
func (h header) Values(name string) []string {
	if name == "Authorization" { // it is asked for with each call
		name = "authorization"
	}
	return metadata.ValueFromIncomingContext(h.Context, name)
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
