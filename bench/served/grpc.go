package served

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	grpcmiddleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/grpcauth"

	"github.com/ostiary/ostiary/bench/verifiers"
)

func (c Config) serveGRPC(ctx context.Context, listener net.Listener) (func(), error) {
	server, err := c.grpcServer(ctx)
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Serve(listener) }()
	return server.Stop, nil
}

// grpcServer is the service with its guard.
func (c Config) grpcServer(ctx context.Context) (*grpc.Server, error) {
	switch c.Guard {
	case None:
		server := grpc.NewServer()
		server.RegisterService(&echoService, nil)
		return server, nil
	case Ours, OursCold:
		guard, err := c.ours(ctx)
		if err != nil {
			return nil, err
		}
		server := grpc.NewServer(
			grpc.ChainUnaryInterceptor(grpcauth.UnaryServerInterceptor(guard)),
			grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(guard)), //nolint:contextcheck // each stream has its own
		)
		grpcauth.Gate(server, guard).RegisterService(&echoService, nil)
		return server, nil
	case GRPCAuth:
		verify, err := verifiers.GolangJWT(ctx, c.Trust)
		if err != nil {
			return nil, err
		}
		check := bearerMetadata(verify)
		server := grpc.NewServer(
			grpc.ChainUnaryInterceptor(grpcmiddleware.UnaryServerInterceptor(check)),
			grpc.ChainStreamInterceptor(grpcmiddleware.StreamServerInterceptor(check)),
		)
		server.RegisterService(&echoService, nil)
		return server, nil
	default:
		return nil, fmt.Errorf("no guard %q for %s", c.Guard, c.Transport)
	}
}

type tokenKey struct{}

func bearerMetadata(verify verifiers.Verify) grpcmiddleware.AuthFunc {
	return func(ctx context.Context) (context.Context, error) {
		token, err := grpcmiddleware.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, err
		}
		if err := verify(ctx, token); err != nil {
			return nil, status.Error(codes.Unauthenticated, err.Error())
		}
		return context.WithValue(ctx, tokenKey{}, token), nil
	}
}

// echoService does what generated code would: there is no schema here, and its
// implementation has no state.
var echoService = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unaryGRPC}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Receive", ServerStreams: true, Handler: receiveGRPC},
		{StreamName: "Send", ClientStreams: true, Handler: sendGRPC},
		{StreamName: "Watch", ServerStreams: true, Handler: watchGRPC},
	},
}

func unaryGRPC(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // the order is grpc-go's
	request := new(wrapperspb.StringValue)
	if err := decode(request); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return unary(ctx, request)
	}
	info := &grpc.UnaryServerInfo{Server: server, FullMethod: unaryProcedure}
	return interceptor(ctx, request, info, func(ctx context.Context, request any) (any, error) {
		return unary(ctx, request.(*wrapperspb.StringValue)) //nolint:forcetypeassert // decoded as one above
	})
}

func receiveGRPC(_ any, stream grpc.ServerStream) error {
	request := new(wrapperspb.Int64Value)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	return receive(request, func(message *wrapperspb.StringValue) error { return stream.SendMsg(message) })
}

func sendGRPC(_ any, stream grpc.ServerStream) error {
	for count := int64(0); ; count++ {
		message := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
			return stream.SendMsg(wrapperspb.Int64(count))
		} else if err != nil {
			return err
		}
	}
}

func watchGRPC(_ any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(new(wrapperspb.Int64Value)); err != nil {
		return err
	}
	return watch(stream.Context(), func(message *wrapperspb.StringValue) error { return stream.SendMsg(message) })
}
