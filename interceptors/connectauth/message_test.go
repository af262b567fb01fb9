package connectauth_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestEveryMessageOfAStreamIsChecked(t *testing.T) {
	t.Parallel()
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: guardtest.OnlyHello{}}
			var received atomic.Int32
			// A handler that takes every failure for the end of the stream.
			handler := connect.NewClientStreamHandlerSimple(guardtest.Procedures[auth.ClientStream],
				func(_ context.Context, in *connect.ClientStream[text]) (*text, error) {
					for in.Receive() {
						received.Add(1)
					}
					if in.Receive() {
						t.Error("the stream goes on after a refusal")
					}
					return wrapperspb.String("all is well"), nil
				}, connectauth.WithGuard(guard))
			server := newServer(t, handler)
			rpc := connect.NewClient[text, text](h2c(t), server.URL+guardtest.Procedures[auth.ClientStream],
				append([]connect.ClientOption{header("Authorization", "Bearer "+guardtest.GoodToken)}, options...)...)

			stream := rpc.CallClientStream(t.Context())
			for _, message := range []string{"hello", "hello", "goodbye", "hello"} {
				if err := stream.Send(wrapperspb.String(message)); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			_, err := stream.CloseAndReceive()
			if reason, _ := connectauth.ReasonOf(err); reason != auth.ConditionNotMet || connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("%v, want reason %v", err, auth.ConditionNotMet)
			}
			if got := received.Load(); got != 2 {
				t.Errorf("the handler received %d messages, want 2", got)
			}
		})
	}
}

// TestARequestIsChecked has the rule refuse one request of two.
func TestARequestIsChecked(t *testing.T) {
	t.Parallel()
	guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: guardtest.OnlyHello{}}
	for _, shape := range []auth.StreamType{auth.Unary, auth.ServerStream} {
		t.Run(shape.String(), func(t *testing.T) {
			t.Parallel()
			server := newServer(t, newMux(func(ctx context.Context, sent string) (string, error) {
				if sent != "hello" {
					t.Errorf("the handler ran with %q", sent)
				}
				return guardtest.WhoCalls(ctx, sent)
			}, connectauth.WithGuard(guard)))
			token := connectauth.WithToken(server.URL, source)
			if reply, err := call(t.Context(), h2c(t), server.URL, shape, "hello", token); err != nil || reply != "ada hello" {
				t.Errorf("reply %q, error %v; want %q", reply, err, "ada hello")
			}
			_, err := call(t.Context(), h2c(t), server.URL, shape, "goodbye", token)
			assertRefusal(t, err, connect.ProtocolConnect, auth.ConditionNotMet, auth.ConditionNotMet.Message())
		})
	}
}
