package grpcauth_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goodToken is the one token that newGuard accepts.
const goodToken = "good-token"

type authenticator struct{}

func (authenticator) Authenticate(_ context.Context, call auth.Call) (*auth.Identity, error) {
	token, err := auth.BearerToken(call.Header)
	if err != nil {
		return nil, err
	}
	if token != goodToken {
		return nil, auth.Errorf(auth.SignatureInvalid, "cause: only for logs")
	}
	return &auth.Identity{Issuer: "https://issuer.test", Subject: "ada", Kind: auth.KindSession}, nil
}

// everyone asks for no more than an identity, of whatever procedure.
type everyone struct{}

func (everyone) Rule(string) auth.Rule { return everyone{} }

func (everyone) Check(id *auth.Identity) error {
	if id == nil {
		return auth.NewError(auth.TokenMissing, nil)
	}
	return nil
}

func newGuard(observe auth.ObserverFunc) *auth.Guard {
	return &auth.Guard{Authenticator: authenticator{}, Policy: everyone{}, Observer: observe}
}

// handle answers every method: with who calls and what they sent, or with an
// error.
type handle func(ctx context.Context, sent string) (string, error)

func whoCalls(ctx context.Context, sent string) (string, error) {
	id, ok := auth.FromContext(ctx)
	if !ok {
		return "", errors.New("the handler ran without an identity")
	}
	return id.Subject + " " + sent, nil
}

func neverCalled(t *testing.T) handle {
	return func(context.Context, string) (string, error) {
		t.Error("the handler ran")
		return "", nil
	}
}

const service = "ostiary.test.v1.EchoService"

var procedures = map[auth.StreamType]string{
	auth.Unary:        "/" + service + "/Unary",
	auth.ClientStream: "/" + service + "/ClientStream",
	auth.ServerStream: "/" + service + "/ServerStream",
	auth.BidiStream:   "/" + service + "/BidiStream",
}

type text = wrapperspb.StringValue

// echo is what protoc-gen-go-grpc would generate for the four shapes of a call.
var echo = grpc.ServiceDesc{
	ServiceName: service,
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
		reply, err := impl.(handle)(ctx, req.(*text).GetValue())
		return wrapperspb.String(reply), err
	}
	if interceptor == nil {
		return next(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: impl, FullMethod: procedures[auth.Unary]}, next)
}

func stream(impl any, s grpc.ServerStream) error {
	in := new(text)
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	reply, err := impl.(handle)(s.Context(), in.GetValue())
	if err != nil {
		return err
	}
	return s.SendMsg(wrapperspb.String(reply))
}

// newServer serves on loopback and returns its address.
func newServer(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, listener, register, options...)
}

func serve(t *testing.T, listener net.Listener, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
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
		err := conn.Invoke(ctx, procedures[shape], in, out, options...)
		return out.GetValue(), trailer, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedures[shape], options...)
	if err != nil {
		return "", nil, err
	}
	_ = s.SendMsg(in) // where it fails, RecvMsg says why
	_ = s.CloseSend()
	err = s.RecvMsg(out)
	return out.GetValue(), s.Trailer(), err
}
