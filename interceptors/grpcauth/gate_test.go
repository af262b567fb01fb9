package grpcauth_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// rawCodec sends bytes as they are, though the server takes them for protobuf.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (rawCodec) Unmarshal(data []byte, out any) error { return nil }

func (rawCodec) Name() string { return "proto" }

var undecodable = []byte{0xff, 0xff, 0xff}

func TestAnUndecodableMessageIsRefusedBeforeItIsDecoded(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"gate", "gate and interceptors"} {
		for shape := range guardtest.Procedures {
			t.Run(way+"/"+shape.String(), func(t *testing.T) {
				t.Parallel()
				conn := dial(t, ways[way](t, guardtest.NewGuard(nil), guardtest.NeverCalled(t)))

				_, trailer, err := call(bearer(t.Context(), "forged-token"), conn, shape, undecodable, grpc.ForceCodec(rawCodec{}))
				assertRefusal(t, err, trailer, auth.SignatureInvalid, auth.SignatureInvalid.Message())

				_, _, err = call(bearer(t.Context(), guardtest.GoodToken), conn, shape, undecodable, grpc.ForceCodec(rawCodec{}))
				if _, ours := grpcauth.ReasonOf(err); ours || status.Code(err) != codes.Internal {
					t.Errorf("with a good token: %v; want grpc-go's own decode error", err)
				}
			})
		}
	}
}

func TestBehindAGateEveryInterceptorKnowsTheCaller(t *testing.T) {
	t.Parallel()
	var subject string
	first := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		subject = auth.MustFromContext(ctx).Subject
		return next(ctx, req)
	}
	guard := guardtest.NewGuard(nil)
	conn := dial(t, newServer(t, func(s *grpc.Server) {
		grpcauth.Gate(s, guard).RegisterService(&echo, guardtest.Handler(guardtest.WhoCalls))
	},
		grpc.ChainUnaryInterceptor(first, grpcauth.UnaryServerInterceptor(guard))))
	if _, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello")); err != nil {
		t.Fatal(err)
	}
	if subject != "ada" {
		t.Errorf("the first interceptor saw subject %q; want ada", subject)
	}
}

func TestAnotherGuardsAdmissionDoesNotCount(t *testing.T) {
	t.Parallel()
	strict := &auth.Guard{} // refuses every call
	conn := dial(t, newServer(t, func(s *grpc.Server) {
		grpcauth.Gate(s, guardtest.NewGuard(nil)).RegisterService(&echo, guardtest.NeverCalled(t))
	},
		interceptors(strict)...))
	for shape := range guardtest.Procedures {
		_, trailer, err := call(bearer(t.Context(), guardtest.GoodToken), conn, shape, wrapperspb.String("hello"))
		assertRefusal(t, err, trailer, auth.AuthFailure, auth.AuthFailure.Message())
	}
}

func TestAGateDoesNotChangeTheServiceDescription(t *testing.T) {
	t.Parallel()
	described := grpc.ServiceDesc{ServiceName: guardtest.Service, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}}}
	asked := 0
	guard := guardtest.NewGuard(func(context.Context, auth.Decision) { asked++ })
	for range 2 { // as a service on two listeners is
		conn := dial(t, newServer(t, func(s *grpc.Server) {
			grpcauth.Gate(s, guard).RegisterService(&described, guardtest.Handler(guardtest.WhoCalls))
		}))
		if _, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello")); err != nil {
			t.Fatal(err)
		}
	}
	if handler := reflect.ValueOf(described.Methods[0].Handler).Pointer(); handler != reflect.ValueOf(unary).Pointer() {
		t.Error("the description has another handler now")
	}
	if asked != 2 {
		t.Errorf("the guard was asked %d times about two calls", asked)
	}
}

func TestAnAdmissionCountsForItsOwnProcedureOnly(t *testing.T) {
	t.Parallel()
	var seen []string
	intercept := grpcauth.UnaryServerInterceptor(guardtest.NewGuard(func(_ context.Context, d auth.Decision) { seen = append(seen, d.Procedure) }))
	inner := func(context.Context, any) (any, error) { return nil, nil }
	outer := func(ctx context.Context, req any) (any, error) {
		return intercept(ctx, req, &grpc.UnaryServerInfo{FullMethod: "/b"}, inner)
	}
	_, _ = intercept(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+guardtest.GoodToken)), nil, &grpc.UnaryServerInfo{FullMethod: "/a"}, outer)
	if fmt.Sprint(seen) != "[/a /b]" {
		t.Errorf("the guard was asked about %v; want [/a /b]", seen)
	}
}

// TestInterceptorsAloneDecodeFirst checks what the documentation says of the
// interceptors: a stranger's message is decoded, and goes no further.
func TestInterceptorsAloneDecodeFirst(t *testing.T) {
	t.Parallel()
	conn := dial(t, ways["interceptors"](t, guardtest.NewGuard(nil), guardtest.NeverCalled(t)))
	_, _, err := call(bearer(t.Context(), "forged-token"), conn, auth.Unary, undecodable, grpc.ForceCodec(rawCodec{}))
	if _, ours := grpcauth.ReasonOf(err); ours || status.Code(err) != codes.Internal {
		t.Errorf("error %v; want grpc-go's own decode error", err)
	}
}

// TestAGateGuardsEveryMethod calls each of several methods of a guardtest.Service, of which a
// gate might guard the first alone. The guard must be asked about each by its name.
func TestAGateGuardsEveryMethod(t *testing.T) {
	t.Parallel()
	several := grpc.ServiceDesc{ServiceName: guardtest.Service, HandlerType: (*any)(nil)}
	shapes := map[string]auth.StreamType{}
	for _, name := range []string{"First", "Second", "Third"} {
		several.Methods = append(several.Methods, grpc.MethodDesc{MethodName: name, Handler: unary})
		several.Streams = append(several.Streams, grpc.StreamDesc{StreamName: name + "Stream", Handler: stream, ClientStreams: true, ServerStreams: true})
		shapes[name], shapes[name+"Stream"] = auth.Unary, auth.BidiStream
	}
	asked := make(chan auth.Decision, 1)
	guard := guardtest.NewGuard(func(_ context.Context, d auth.Decision) { asked <- d })
	conn := dial(t, newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, guard).RegisterService(&several, guardtest.NeverCalled(t)) }))
	for name, shape := range shapes {
		procedure := "/" + guardtest.Service + "/" + name
		err := invoke(t, conn, procedure, shape)
		if reason, ok := grpcauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
			t.Errorf("%s without a token: %v; want %v", name, err, auth.TokenMissing)
			continue
		}
		if d := <-asked; d.Procedure != procedure || d.Stream != shape {
			t.Errorf("%s: the guard was asked about %s, %v", name, d.Procedure, d.Stream)
		}
	}
	if len(several.Methods) != 3 || several.Methods[0].MethodName != "First" {
		t.Errorf("the service description was changed: %+v", several)
	}
}

func invoke(t *testing.T, conn *grpc.ClientConn, procedure string, shape auth.StreamType) error {
	t.Helper()
	if shape == auth.Unary {
		return conn.Invoke(t.Context(), procedure, wrapperspb.String("hello"), new(text))
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(new(text))
}
