package connectauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// outer is an interceptor further out than the guard's. It sets headers and
// trailers before the handler runs, while it runs and when it has returned.
type outer struct{ connect.Interceptor }

func (outer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		for _, metadata := range []http.Header{conn.ResponseHeader(), conn.ResponseTrailer()} {
			metadata.Set("X-Outer", "there")
			metadata.Set("X-Unwanted", "there")
			metadata.Set("X-Both", "there")
			metadata.Set("X-Replaced", "there")
		}
		err := next(ctx, &outerConn{conn})
		conn.ResponseTrailer().Set("X-At-The-End", "there")
		return err
	}
}

type outerConn struct{ connect.StreamingHandlerConn }

// Receive comes after the handler has asked for the header and the trailer.
func (c *outerConn) Receive(message any) error {
	c.ResponseHeader().Set("X-In-Receive", "there")
	c.ResponseTrailer().Set("X-In-Receive", "there")
	c.ResponseHeader().Add("X-Both", "there later")
	c.ResponseTrailer().Add("X-Both", "there later")
	return c.StreamingHandlerConn.Receive(message)
}

func (c *outerConn) Send(message any) error {
	c.ResponseHeader().Set("X-In-Send", "there")
	c.ResponseTrailer().Set("X-In-Send", "there")
	return c.StreamingHandlerConn.Send(message)
}

// TestAStreamSendsTheMetadataThatTheHandlerChanges has both the handler and an outer
// interceptor change headers and trailers. With the guard between them the client must
// see what it sees without it.
func TestAStreamSendsTheMetadataThatTheHandlerChanges(t *testing.T) {
	t.Parallel()
	handle := func(_ context.Context, stream *connect.BidiStream[text, text]) error {
		for _, metadata := range []http.Header{stream.ResponseHeader(), stream.ResponseTrailer()} {
			if got := metadata.Get("X-Outer"); got != "there" {
				t.Errorf("the handler sees X-Outer %q", got)
			}
			metadata.Set("X-Handler", "here")
			metadata.Add("X-Both", "here")
			metadata.Set("X-Replaced", "here")
			metadata.Del("X-Unwanted")
		}
		in, err := stream.Receive()
		if err != nil {
			return err
		}
		stream.ResponseHeader().Set("X-Before-Send", "here")
		if err := stream.Send(in); err != nil {
			return err
		}
		stream.ResponseTrailer().Set("X-After-Send", "here")
		return nil
	}
	common := http.Header{
		"X-Outer": {"there"}, "X-Unwanted": nil, "X-Replaced": {"here"}, "X-Handler": {"here"},
		"X-Both": {"here", "there", "there later"}, "X-In-Receive": {"there"}, "X-In-Send": {"there"},
	}
	inHeader := http.Header{"X-Before-Send": {"here"}, "X-At-The-End": nil}
	inTrailer := http.Header{"X-After-Send": {"here"}, "X-At-The-End": {"there"}}
	for name, option := range map[string]connect.HandlerOption{
		"without a guard": connect.WithHandlerOptions(), "with a guard": connectauth.WithGuard(guardtest.NewGuard(nil)),
	} {
		for protocol, options := range protocols {
			t.Run(name+", "+protocol, func(t *testing.T) {
				t.Parallel()
				at := guardtest.Procedures[auth.BidiStream]
				mux := http.NewServeMux()
				mux.Handle(at, connect.NewBidiStreamHandler(at, handle, connect.WithInterceptors(outer{}), option))
				server := newServer(t, mux)
				options := append([]connect.ClientOption{connectauth.WithToken(server.URL, source)}, options...)
				stream := connect.NewClient[text, text](h2c(t), server.URL+at, options...).CallBidiStream(t.Context())
				if err := stream.Send(wrapperspb.String("hello")); err != nil {
					t.Fatal(err)
				}
				if err := stream.CloseRequest(); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Receive(); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
					t.Fatalf("the stream ended with %v", err)
				}
				assertMetadata(t, "header", stream.ResponseHeader(), common, inHeader)
				assertMetadata(t, "trailer", stream.ResponseTrailer(), common, inTrailer)
				_ = stream.CloseResponse()
			})
		}
	}
}

func assertMetadata(t *testing.T, where string, got http.Header, wants ...http.Header) {
	t.Helper()
	for _, want := range wants {
		for name, values := range want {
			sorted := slices.Sorted(slices.Values(got[name])) // the order is not the guard's affair
			if !slices.Equal(sorted, values) {
				t.Errorf("%s %s: %q; want %q", where, name, sorted, values)
			}
		}
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
				at := guardtest.Procedures[auth.ServerStream]
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
				}, connect.WithInterceptors(outer{}), connectauth.WithGuard(guardtest.NewGuard(nil))))
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
// which reads them, and then receives in vain.
func TestALateHandlerMayWriteHeaders(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{})
	guard := guardtest.NewGuard(nil)
	guard.Revocations = list
	at := guardtest.Procedures[auth.ServerStream]
	mux := http.NewServeMux()
	entered, late := make(chan struct{}), make(chan error, 1)
	mux.Handle(at, connect.NewServerStreamHandlerSimple(at, func(ctx context.Context, _ *text, out *connect.ServerStream[text]) error {
		out.ResponseTrailer().Set("X-Early", "here")
		close(entered)
		<-ctx.Done()
		for range 1000 {
			out.ResponseTrailer().Add("X-Late", "here")
			out.ResponseHeader().Add("X-Late", "here")
		}
		late <- out.Conn().Receive(new(text))
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
	if err := list.Add(revocation.Revocation{Kind: revocation.TargetClient, Issuer: "https://issuer.test", ID: "client_1"}); err != nil {
		t.Fatal(err)
	}
	if reason, _ := connectauth.ReasonOf(<-ended); reason != auth.TokenRevoked {
		t.Errorf("reason %v; want %v", reason, auth.TokenRevoked)
	}
	if err := guard.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if reason, ok := auth.ReasonOf(<-late); !ok || reason != auth.TokenRevoked {
		t.Errorf("the handler received for reason %v, %t; want %v", reason, ok, auth.TokenRevoked)
	}
}
