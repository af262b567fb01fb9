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
)

// rawCodec sends bytes as they are, though the server takes them for protobuf.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)        { return v.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, out any) error { return nil }
func (rawCodec) Name() string                         { return "proto" }

var undecodable = []byte{0xff, 0xff, 0xff}

func TestWhatCannotBeDecodedIsRefusedBeforeIt(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"gate", "gate and interceptors"} {
		for shape := range procedures {
			t.Run(way+"/"+shape.String(), func(t *testing.T) {
				t.Parallel()
				conn := dial(t, ways[way](t, newGuard(nil), neverCalled(t)))

				_, trailer, err := call(bearer(t.Context(), "forged-token"), conn, shape, undecodable, grpc.ForceCodec(rawCodec{}))
				assertRefusal(t, err, trailer, auth.SignatureInvalid, auth.SignatureInvalid.Message())

				_, _, err = call(bearer(t.Context(), goodToken), conn, shape, undecodable, grpc.ForceCodec(rawCodec{}))
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
	guard := newGuard(nil)
	conn := dial(t, newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, guard).RegisterService(&echo, handle(whoCalls)) },
		grpc.ChainUnaryInterceptor(first, grpcauth.UnaryServerInterceptor(guard))))
	if _, _, err := call(bearer(t.Context(), goodToken), conn, auth.Unary, wrapperspb.String("hello")); err != nil {
		t.Fatal(err)
	}
	if subject != "ada" {
		t.Errorf("the first interceptor saw subject %q; want ada", subject)
	}
}

func TestAnotherGuardsAdmissionDoesNotCount(t *testing.T) {
	t.Parallel()
	strict := &auth.Guard{} // refuses every call
	conn := dial(t, newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, newGuard(nil)).RegisterService(&echo, neverCalled(t)) },
		interceptors(strict)...))
	for shape := range procedures {
		_, trailer, err := call(bearer(t.Context(), goodToken), conn, shape, wrapperspb.String("hello"))
		assertRefusal(t, err, trailer, auth.AuthFailure, auth.AuthFailure.Message())
	}
}

func TestAGateLeavesTheDescriptionOfTheServiceAlone(t *testing.T) {
	t.Parallel()
	described := grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}}}
	asked := 0
	guard := newGuard(func(context.Context, auth.Decision) { asked++ })
	for range 2 { // as a service on two listeners is
		conn := dial(t, newServer(t, func(s *grpc.Server) { grpcauth.Gate(s, guard).RegisterService(&described, handle(whoCalls)) }))
		if _, _, err := call(bearer(t.Context(), goodToken), conn, auth.Unary, wrapperspb.String("hello")); err != nil {
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
	intercept := grpcauth.UnaryServerInterceptor(newGuard(func(_ context.Context, d auth.Decision) { seen = append(seen, d.Procedure) }))
	inner := func(context.Context, any) (any, error) { return nil, nil }
	outer := func(ctx context.Context, req any) (any, error) {
		return intercept(ctx, req, &grpc.UnaryServerInfo{FullMethod: "/b"}, inner)
	}
	_, _ = intercept(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+goodToken)), nil, &grpc.UnaryServerInfo{FullMethod: "/a"}, outer)
	if fmt.Sprint(seen) != "[/a /b]" {
		t.Errorf("the guard was asked about %v; want [/a /b]", seen)
	}
}

// TestInterceptorsAloneDecodeFirst holds what the documentation says of the
// interceptors: a stranger's message is decoded, and goes no further.
func TestInterceptorsAloneDecodeFirst(t *testing.T) {
	t.Parallel()
	conn := dial(t, ways["interceptors"](t, newGuard(nil), neverCalled(t)))
	_, _, err := call(bearer(t.Context(), "forged-token"), conn, auth.Unary, undecodable, grpc.ForceCodec(rawCodec{}))
	if _, ours := grpcauth.ReasonOf(err); ours || status.Code(err) != codes.Internal {
		t.Errorf("error %v; want grpc-go's own decode error", err)
	}
}
