package connectauth_test

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// outer is an interceptor further out than the guard's: it sets a header before
// the handler runs.
type outer struct{ connect.Interceptor }

func (outer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		conn.ResponseHeader().Set("X-Outer", "there")
		conn.ResponseHeader().Set("X-Unwanted", "there")
		return next(ctx, conn)
	}
}

func TestHeaderAndTrailerOfAStreamReachTheClient(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string]connect.ClientOption{
		"connect": connect.WithClientOptions(), "grpc": connect.WithGRPC(), "grpcweb": connect.WithGRPCWeb(),
	} {
		for sends, messages := range map[string]int{"with messages": 2, "without": 0} {
			t.Run(name+" "+sends, func(t *testing.T) {
				t.Parallel()
				at := procedures[auth.ServerStream]
				mux := http.NewServeMux()
				mux.Handle(at, connect.NewServerStreamHandlerSimple(at, func(_ context.Context, in *text, out *connect.ServerStream[text]) error {
					if got := out.ResponseHeader().Get("X-Outer"); got != "there" {
						t.Errorf("the handler sees X-Outer %q", got)
					}
					out.ResponseHeader().Set("X-Handler", "here")
					out.ResponseHeader().Del("X-Unwanted")
					out.ResponseTrailer().Set("X-Early", "here")
					for range messages {
						if err := out.Send(in); err != nil {
							return err
						}
					}
					out.ResponseTrailer().Set("X-Late", "here")
					return nil
				}, connect.WithInterceptors(outer{}), connectauth.WithGuard(newGuard(nil))))
				server := newServer(t, mux)
				rpc := connect.NewClient[text, text](h2c(t), server.URL+at, protocol, connectauth.WithToken(server.URL, source))
				stream, err := rpc.CallServerStream(t.Context(), connect.NewRequest(wrapperspb.String("hello")))
				if err != nil {
					t.Fatal(err)
				}
				received := 0
				for stream.Receive() {
					received++
				}
				if err := stream.Close(); err != nil || stream.Err() != nil || received != messages {
					t.Errorf("%d messages, then %v, %v; want %d", received, stream.Err(), err, messages)
				}
				for name, want := range map[string]string{"X-Outer": "there", "X-Handler": "here", "X-Unwanted": ""} {
					if got := stream.ResponseHeader().Get(name); got != want {
						t.Errorf("header %s %q; want %q", name, got, want)
					}
				}
				for _, name := range []string{"X-Early", "X-Late"} {
					if got := stream.ResponseTrailer().Get(name); got != "here" {
						t.Errorf("trailer %s %q; want here", name, got)
					}
				}
			})
		}
	}
}

// TestALateHandlerMayWriteHeaders writes them while connect closes the stream,
// which reads them.
func TestALateHandlerMayWriteHeaders(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{})
	guard := newGuard(nil)
	guard.Revocations = list
	at := procedures[auth.ServerStream]
	mux := http.NewServeMux()
	entered := make(chan struct{})
	mux.Handle(at, connect.NewServerStreamHandlerSimple(at, func(ctx context.Context, _ *text, out *connect.ServerStream[text]) error {
		out.ResponseTrailer().Set("X-Early", "here")
		close(entered)
		<-ctx.Done()
		for range 1000 {
			out.ResponseTrailer().Add("X-Late", "here")
			out.ResponseHeader().Add("X-Late", "here")
		}
		return nil
	}, connectauth.WithGuard(guard)))
	server := newServer(t, mux)
	ended := make(chan error, 1)
	go func() {
		rpc := connect.NewClient[text, text](h2c(t), server.URL+at, connectauth.WithToken(server.URL, source))
		stream, err := rpc.CallServerStream(t.Context(), connect.NewRequest(wrapperspb.String("hello")))
		if err == nil {
			stream.Receive()
			err = stream.Err()
			_ = stream.Close()
		}
		ended <- err
	}()
	<-entered
	if err := list.Add(revocation.Revocation{Kind: revocation.Client, Issuer: "https://issuer.test", ID: "client_1"}); err != nil {
		t.Fatal(err)
	}
	if reason, _ := connectauth.ReasonOf(<-ended); reason != auth.TokenRevoked {
		t.Errorf("reason %v; want %v", reason, auth.TokenRevoked)
	}
	if err := guard.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}
