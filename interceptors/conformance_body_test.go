package interceptors_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// TestARefusalDoesNotWaitForTheBody makes calls whose body never comes. They use
// HTTP/2: over HTTP/1.1 net/http itself waits, to throw away what still comes.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	guard := k.guard(t)
	for _, call := range []struct {
		contentType string
		methods     []string
	}{
		{contentType: "application/proto", methods: []string{unary}},
		{contentType: "application/connect+proto", methods: []string{clientStream, serverStream, bidiStream}},
		{contentType: "application/grpc", methods: []string{unary, clientStream, serverStream, bidiStream}},
		{contentType: "application/grpc-web", methods: []string{unary, clientStream, serverStream, bidiStream}},
		{contentType: "application/octet-stream", methods: []string{plain}},
	} {
		for _, method := range call.methods {
			t.Run(call.contentType+", "+method, func(t *testing.T) {
				t.Parallel()
				s, w := new(service), new(witness)
				url := serveHTTP(t, everything(observed(guard, w), s)) + procedure(authenticated, method)
				postWithoutBody(t, newHTTPClient(t, "HTTP 2"), url, call.contentType)
				assertNeverRan(t, s, w)
			})
		}
	}
	for _, method := range []string{unary, clientStream, serverStream, bidiStream} {
		t.Run("grpc-go, "+method, func(t *testing.T) {
			t.Parallel()
			s, w := new(service), new(witness)
			conn := dialGRPC(t, serveGRPC(t, observed(guard, w), s, true))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure(authenticated, method))
			if err != nil {
				t.Fatal(err)
			}
			err = stream.RecvMsg(new(wrapperspb.StringValue))
			if reason, _ := grpcauth.ReasonOf(err); reason != auth.TokenMissing {
				t.Errorf("reason %v; want %v (%v)", reason, auth.TokenMissing, err)
			}
			assertNeverRan(t, s, w)
		})
	}
}

func everything(guard *auth.Guard, s *service) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", newConnectMux(guard, s))
	at := procedure(authenticated, plain)
	mux.Handle(at, httpauth.Protect(guard, at, handleHTTP(s)))
	return mux
}

// postWithoutBody returns when the answer's header is there.
func postWithoutBody(t *testing.T, client *http.Client, url, contentType string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	body, never := io.Pipe()
	defer func() { _ = never.Close() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

func assertNeverRan(t *testing.T, s *service, w *witness) {
	t.Helper()
	if s.ran.Load() != 0 {
		t.Error("the handler ran")
	}
	missing := func(d auth.Decision) bool { return d.Refusal != nil && d.Refusal.Reason == auth.TokenMissing }
	if seen := w.take(); len(seen) != 1 || !slices.ContainsFunc(seen, missing) {
		t.Errorf("decisions %v; want one refusal for %v", seen, auth.TokenMissing)
	}
}
