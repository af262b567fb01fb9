package grpcauth_test

import (
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestEveryMessageOfAStreamIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name               string
		gated, intercepted bool
	}{
		{"interceptors", false, true},
		{"gate", true, false},
		{"gate and interceptors", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var received, asked atomic.Int32
			guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: guardtest.OnlyHello{Asked: &asked}}
			// A handler that takes every failure for the end of the stream.
			swallow := grpc.ServiceDesc{ServiceName: guardtest.Service, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
				StreamName: "ClientStream", ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
					for s.RecvMsg(new(text)) == nil {
						received.Add(1)
					}
					if s.RecvMsg(new(text)) == nil {
						t.Error("the stream goes on after a refusal")
					}
					return s.SendMsg(wrapperspb.String("all is well"))
				},
			}}}
			var options []grpc.ServerOption
			if tt.intercepted {
				options = interceptors(guard)
			}
			conn := dial(t, newServer(t, func(s *grpc.Server) {
				var registrar grpc.ServiceRegistrar = s
				if tt.gated {
					registrar = grpcauth.Gate(s, guard)
				}
				registrar.RegisterService(&swallow, nil)
			}, options...))

			s, err := conn.NewStream(bearer(t.Context(), guardtest.GoodToken), &grpc.StreamDesc{ClientStreams: true}, guardtest.Procedures[auth.ClientStream])
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range []string{"hello", "hello", "goodbye", "hello"} {
				_ = s.SendMsg(wrapperspb.String(message)) // where it fails, RecvMsg says why
			}
			_ = s.CloseSend()
			err = s.RecvMsg(new(text))
			assertRefusal(t, err, s.Trailer(), auth.ConditionNotMet, auth.ConditionNotMet.Message())
			if received.Load() != 2 || asked.Load() != 3 {
				t.Errorf("the handler received %d messages, want 2; the rule was asked about %d, want 3", received.Load(), asked.Load())
			}
		})
	}
}

func TestAUnaryRequestIsCheckedOnce(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: guardtest.OnlyHello{Asked: &asked}}
			conn := dial(t, way(t, guard, guardtest.WhoCalls))
			reply, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello"))
			if err != nil || reply != "ada hello" || asked.Load() != 1 {
				t.Errorf("%q, %v after the rule was asked %d times", reply, err, asked.Load())
			}
			_, trailer, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("goodbye"))
			assertRefusal(t, err, trailer, auth.ConditionNotMet, auth.ConditionNotMet.Message())
		})
	}
}
