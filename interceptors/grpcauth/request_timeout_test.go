package grpcauth_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestARequestThatDoesNotArriveInTimeEndsItsCall(t *testing.T) {
	t.Parallel()
	limit := grpcauth.RequestTimeout(20 * time.Millisecond)
	conn := dial(t, newServer(t, func(s *grpc.Server) {
		grpcauth.Gate(s, guardtest.NewGuard(nil), limit).RegisterService(&echo, guardtest.NeverCalled(t))
	}))
	ctx, cancel := context.WithTimeout(bearer(t.Context(), guardtest.GoodToken), time.Minute)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, guardtest.Procedures[auth.Unary])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(new(text)); status.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil {
		t.Errorf("the call ended with %v; want %v of the server's", err, codes.DeadlineExceeded)
	}
}

func TestARequestInTimeIsServedAsWithoutALimit(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]time.Duration{"a limit": time.Minute, "none": 0, "a negative one": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, newServer(t, func(s *grpc.Server) {
				grpcauth.Gate(s, guardtest.NewGuard(nil), grpcauth.RequestTimeout(limit)).RegisterService(&echo, guardtest.Handler(guardtest.WhoCalls))
			}))
			if reply, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello")); reply != "ada hello" {
				t.Errorf("reply %q, %v", reply, err)
			}
			_, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, undecodable, grpc.ForceCodec(rawCodec{}))
			if status.Code(err) != codes.Internal {
				t.Errorf("what cannot be decoded: %v; want grpc-go's own error", err)
			}
		})
	}
}

// TestAPanicOfADecoderReachesTheCall has a decoder panic, for the recovery of the
// server to see.
func TestAPanicOfADecoderReachesTheCall(t *testing.T) {
	t.Parallel()
	recovered := make(chan any, 1)
	description := echo
	description.Methods = []grpc.MethodDesc{{MethodName: "Unary", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (_ any, err error) {
		defer func() {
			recovered <- recover()
			err = status.Error(codes.Internal, "recovered")
		}()
		return nil, decode(panicsWhenDecoded{})
	}}}
	conn := dial(t, newServer(t, func(s *grpc.Server) {
		grpcauth.Gate(s, guardtest.NewGuard(nil), grpcauth.RequestTimeout(time.Minute)).RegisterService(&description, guardtest.NeverCalled(t))
	}, grpc.ForceServerCodec(panickingCodec{})))
	_, _, _ = call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello"))
	if p, ok := (<-recovered).(*auth.PanicError); !ok || p.Value != "boom" {
		t.Errorf("recovered %v; want the decoder's panic", p)
	}
}

type panicsWhenDecoded struct{}

// panickingCodec is rawCodec that panics when it decodes.
type panickingCodec struct{ rawCodec }

func (panickingCodec) Unmarshal([]byte, any) error { panic("boom") }
