package grpcauth_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type text = wrapperspb.StringValue

// echo is what protoc-gen-go-grpc would generate for the four shapes of a call.
var echo = grpc.ServiceDesc{
	ServiceName: guardtest.Service,
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
	Streams: []grpc.StreamDesc{
		{StreamName: "ClientStream", Handler: stream, ClientStreams: true},
		{StreamName: "ServerStream", Handler: stream, ServerStreams: true},
		{StreamName: "BidiStream", Handler: stream, ClientStreams: true, ServerStreams: true},
	},
}

//nolint:revive // the order is grpc-go's
func unary(impl any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := new(text)
	if err := decode(in); err != nil {
		return nil, err
	}
	next := func(ctx context.Context, req any) (any, error) {
		reply, err := impl.(guardtest.Handler)(ctx, req.(*text).GetValue())
		return wrapperspb.String(reply), err
	}
	if interceptor == nil {
		return next(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: impl, FullMethod: guardtest.Procedures[auth.Unary]}, next)
}

func stream(impl any, s grpc.ServerStream) error {
	in := new(text)
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	reply, err := impl.(guardtest.Handler)(s.Context(), in.GetValue())
	if err != nil {
		return err
	}
	return s.SendMsg(wrapperspb.String(reply))
}

// newServer serves on loopback and returns its address.
func newServer(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	server := grpc.NewServer(options...)
	register(server)
	return guardtest.Serve(t, server)
}

func serve(t *testing.T, listener net.Listener, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	server := grpc.NewServer(options...)
	register(server)
	return guardtest.ServeOn(t, listener, server)
}

func dial(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// bearer sends a token as a careless caller would.
func bearer(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// call makes one call of the given shape, of any message, and returns the reply
// and the trailer.
func call(ctx context.Context, conn *grpc.ClientConn, shape auth.StreamType, in any, options ...grpc.CallOption) (string, metadata.MD, error) {
	out := new(text)
	var trailer metadata.MD
	options = append(options, grpc.Trailer(&trailer))
	if shape == auth.Unary {
		err := conn.Invoke(ctx, guardtest.Procedures[shape], in, out, options...)
		return out.GetValue(), trailer, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, guardtest.Procedures[shape], options...)
	if err != nil {
		return "", nil, err
	}
	_ = s.SendMsg(in) // where it fails, RecvMsg says why
	_ = s.CloseSend()
	err = s.RecvMsg(out)
	return out.GetValue(), s.Trailer(), err
}
