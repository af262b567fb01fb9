package interceptors_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// grpcTransports are grpc-go's shapes of a call, guarded by interceptors alone
// and by a gate besides.
func grpcTransports() []transport {
	var all []transport
	for _, gated := range []bool{false, true} {
		for _, method := range []string{unary, clientStream, serverStream, bidiStream} {
			name := "grpc-go, " + method + ", interceptors"
			if gated {
				name += " and gate"
			}
			all = append(all, transport{
				name:   name,
				method: method,
				start: func(t *testing.T, guard *auth.Guard, s *service) caller {
					return grpcCaller(dialGRPC(t, serveGRPC(t, guard, s, gated)), method)
				},
				noQuery:     true,
				decodeError: connect.Code(codes.Internal).String(),
				decodesLate: method != unary,
				decodesSoon: method == unary && !gated,
			})
		}
	}
	return all
}

func serveGRPC(t *testing.T, guard *auth.Guard, s *service, gated bool) string {
	t.Helper()
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(grpcauth.UnaryServerInterceptor(guard)),
		grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(guard)),
	}
	if s.inner != nil {
		options = append(options,
			grpc.ChainUnaryInterceptor(grpcauth.UnaryServerInterceptor(s.inner)),
			grpc.ChainStreamInterceptor(grpcauth.StreamServerInterceptor(s.inner)),
		)
	}
	server := grpc.NewServer(options...)
	var registrar grpc.ServiceRegistrar = server
	if gated {
		registrar = grpcauth.Gate(server, guard)
	}
	for name := range rules {
		registrar.RegisterService(describe(name), s)
	}
	return guardtest.Serve(t, server)
}

// describe returns what protoc-gen-go-grpc would generate for a service.
func describe(name string) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: strings.TrimSuffix(procedure(name, "")[1:], "/"),
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: unary, Handler: func(impl any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := new(text)
			if err := decode(in); err != nil {
				return nil, err
			}
			info := &grpc.UnaryServerInfo{Server: impl, FullMethod: procedure(name, unary)}
			return interceptor(ctx, in, info, func(ctx context.Context, _ any) (any, error) {
				return wrapperspb.String(impl.(*service).answer(ctx, in.GetValue())), nil
			})
		}}},
		Streams: []grpc.StreamDesc{
			{StreamName: clientStream, Handler: handleStream, ClientStreams: true},
			{StreamName: serverStream, Handler: handleStream, ServerStreams: true},
			{StreamName: bidiStream, Handler: handleStream, ClientStreams: true, ServerStreams: true},
		},
	}
}

func handleStream(impl any, stream grpc.ServerStream) error {
	s, in := impl.(*service), new(text)
	s.ran.Add(1)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	return stream.SendMsg(wrapperspb.String(s.say(stream.Context(), in.GetValue())))
}

func dialGRPC(t *testing.T, target string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(passThrough{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func grpcCaller(conn *grpc.ClientConn, method string) caller {
	return func(ctx context.Context, a attempt) outcome {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		sent := metadata.MD{}
		for name, values := range a.header {
			sent.Append(name, values...)
		}
		ctx = metadata.NewOutgoingContext(ctx, sent)
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure(a.service, method))
		if err != nil {
			return outcome{code: "none: " + err.Error()}
		}
		if a.hold != nil {
			a.hold()
		}
		_ = stream.SendMsg(&encoded{a.body}) // where it fails, the answer says why
		_ = stream.CloseSend()
		out := new(text)
		if err := stream.RecvMsg(out); err != nil {
			return grpcOutcome(err, stream.Trailer())
		}
		_ = stream.RecvMsg(new(text)) // up to the end, so that the handler has returned
		return outcome{reply: out.GetValue()}
	}
}

func grpcOutcome(err error, trailer metadata.MD) outcome {
	received := status.Convert(err)
	got := outcome{
		code:      connect.Code(received.Code()).String(),
		challenge: strings.Join(trailer.Get("www-authenticate"), "\n"),
		text:      fmt.Sprint(received.Message(), trailer),
	}
	got.reason, got.refused = grpcauth.ReasonOf(err)
	for _, detail := range received.Proto().GetDetails() {
		encoded, _ := proto.Marshal(detail)
		got.text += string(encoded)
	}
	return got
}
