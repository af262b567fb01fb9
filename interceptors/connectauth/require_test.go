package connectauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// TestAForgottenServiceDoesNotRun sends calls whose whole message is no bytes to a service
// without a guard. In a mux nothing of it runs. In another router, and at a path that is
// guarded on another mux, the handler of a stream that the client sends runs, and reads
// nothing: connect-go calls it before any message.
func TestAForgottenServiceDoesNotRun(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string][]connect.ClientOption{
		"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	} {
		for shape := range guardtest.Procedures {
			for _, where := range []string{"in a mux", "in another router", "in a mux, and guarded in another"} {
				inMux := where == "in a mux"
				guard := guardtest.NewGuard(nil)
				var ran atomic.Bool
				count := connect.WithInterceptors(&ranInterceptor{&ran})
				answer := guardtest.NeverCalled(t)
				if !inMux && shape == auth.ClientStream {
					answer = func(context.Context, string) (string, error) { return "what only callers may read", nil }
				}
				var handler http.Handler = newMux(answer, count)
				switch where {
				case "in another router":
					handler = http.HandlerFunc(handler.ServeHTTP)
				case "in a mux, and guarded in another":
					newMux(guardtest.NeverCalled(t), connectauth.WithGuard(guard))
				}
				server := newServer(t, httpauth.RequireGuard(guard, handler))
				options := append(protocol, header("Authorization", "Bearer "+guardtest.GoodToken)) //nolint:gocritic // a new one each
				if reply, err := call(t.Context(), h2c(t), server.URL, shape, "", options...); err == nil {
					t.Errorf("%s, %s, %s: answered %q", name, shape, where, reply)
				}
				if ran.Load() && inMux {
					t.Errorf("%s, %s, %s: it ran", name, shape, where)
				}
			}
		}
	}
}

// TestAnEmptyBodyIsHeldBackToo since it is a whole message of Protobuf: without it, unary
// handlers ran in a router that is not http.ServeMux.
func TestAnEmptyBodyIsHeldBackToo(t *testing.T) {
	t.Parallel()
	router := http.HandlerFunc(newMux(guardtest.NeverCalled(t)).ServeHTTP)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, guardtest.Procedures[auth.Unary], http.NoBody)
	request.Header.Set("Content-Type", "application/proto")
	answer := httptest.NewRecorder()
	httpauth.RequireGuard(guardtest.NewGuard(nil), router).ServeHTTP(answer, request)
	if answer.Code != http.StatusInternalServerError || !strings.Contains(answer.Body.String(), "AUTH_FAILURE") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// ranInterceptor notes what runs.
type ranInterceptor struct{ ran *atomic.Bool }

func (i *ranInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		i.ran.Store(true)
		return next(ctx, req)
	}
}

func (i *ranInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		i.ran.Store(true)
		return next(ctx, conn)
	}
}

func (*ranInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// TestAGuardedServiceIsKnown has the handlers of every shape serve behind RequireGuard, and
// a method that the service does not have not be found.
func TestAGuardedServiceIsKnown(t *testing.T) {
	t.Parallel()
	guard := guardtest.NewGuard(nil)
	methods := newMux(guardtest.WhoCalls, connectauth.WithGuard(guard))
	mux := http.NewServeMux()
	mux.HandleFunc("/"+guardtest.Service+"/", methods.ServeHTTP) // as generated code mounts a service
	for name, handler := range map[string]http.Handler{"by procedure": methods, "by service": mux} {
		server := newServer(t, httpauth.RequireGuard(guard, handler))
		for shape := range guardtest.Procedures {
			for token, want := range map[string]auth.Reason{"": auth.TokenMissing, guardtest.GoodToken: 0} {
				var options []connect.ClientOption
				if token != "" {
					options = append(options, header("Authorization", "Bearer "+token))
				}
				reply, err := call(t.Context(), h2c(t), server.URL, shape, "hello", options...)
				if reason, _ := connectauth.ReasonOf(err); reason != want || want == 0 && (err != nil || reply != "ada hello") {
					t.Errorf("%s, %s: %q, %v; want %v", name, shape, reply, err, want)
				}
			}
		}
		res, err := server.Client().Get(server.URL + "/" + guardtest.Service + "/Unknown")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: an unknown method is answered with %s", name, res.Status)
		}
	}
}
