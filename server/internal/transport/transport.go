// Package transport holds what both listeners do with a call before and after its
// handler: limits, deadlines, CORS, and the log of calls.
//
//	handler := transport.Chain(mux, cors.Middleware(log), calls.Middleware, transport.ExactPaths)
package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A Middleware is a handler around another.
type Middleware func(next http.Handler) http.Handler

// Chain returns the handler behind the middlewares, in the order in which a
// request meets them.
func Chain(handler http.Handler, middlewares ...Middleware) http.Handler {
	for _, middleware := range slices.Backward(middlewares) {
		handler = middleware(handler)
	}
	return handler
}

// ExactPaths answers 404 to every spelling of a path that http.ServeMux would
// redirect: an RPC client does not follow, and takes a redirect for a broken
// server.
func ExactPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p != "*" && strings.TrimSuffix(p, "/") != strings.TrimSuffix(path.Clean(p), "/") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ErrPanic is what the caller reads of a panic, with the id of the call. The log has the rest.
var ErrPanic = errors.New("the server failed at this call; the fault is on its side")

func panicError(ctx context.Context) error {
	return fmt.Errorf("%w; its log has more about request %s", ErrPanic, auth.RequestID(ctx))
}

// Recovery turns panics of handlers into INTERNAL, and logs them.
type Recovery struct{ Log *slog.Logger }

// Connect is for connect.WithRecover.
func (r Recovery) Connect(ctx context.Context, _ connect.Spec, _ http.Header, p any) error {
	r.log(ctx, p)
	return connect.NewError(connect.CodeInternal, panicError(ctx))
}

// GRPC is for recovery.WithRecoveryHandlerContext.
func (r Recovery) GRPC(ctx context.Context, p any) error {
	r.log(ctx, p)
	return status.Error(codes.Internal, panicError(ctx).Error())
}

func (r Recovery) log(ctx context.Context, p any) {
	stack := debug.Stack()
	if stream, ok := p.(*auth.PanicError); ok { // whose handler has a goroutine of its own
		p, stack = stream.Value, stream.Stack
	}
	r.Log.ErrorContext(ctx, "panic in a handler", "panic", fmt.Sprint(p), "stack", string(stack))
}

// WriteJSON answers with a body that nobody may cache.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // RFC 6749, section 5.1
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the caller is gone
}

// Unbuffered asks proxies to send on the answers of streaming methods as they come, with the
// header that nginx and others know.
func Unbuffered(streaming func(path string) bool) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if streaming(r.URL.Path) {
				w.Header().Set("X-Accel-Buffering", "no")
			}
			next.ServeHTTP(w, r)
		})
	}
}
