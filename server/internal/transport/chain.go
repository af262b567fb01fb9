// Package transport holds what both listeners do with a call before and after its
// handler: limits, deadlines, CORS, and the log of calls.
//
//	handler := transport.Chain(mux, cors.Middleware(log), calls.Middleware, transport.ExactPaths)
package transport

import (
	"net/http"
	"path"
	"slices"
	"strings"
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
