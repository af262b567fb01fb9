// Package httpauth guards ordinary net/http handlers: downloads, uploads,
// WebSockets, and whatever else stands beside the RPCs.
//
//	guard := &auth.Guard{Authenticator: verifier, Policy: rules}
//	const export = "/acme.invoice.v1.Files/Export"
//	mux.Handle("GET /export", httpauth.Protect(guard, export, handler))
package httpauth

import (
	"net/http"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Protect asks the Guard about each request before next sees it. A request that
// it admits goes on with the caller's identity in its context
// ([auth.FromContext]); any other is answered by [Error], its body unread.
//
// The procedure names the rule, as /package.Service/Method does for an RPC. It
// is fixed here so that no spelling of a path can choose another rule; the
// method and the path of the request are the mux's affair.
//
// With a nil Guard every request is refused.
func Protect(guard *auth.Guard, procedure string, next http.Handler) http.Handler {
	if guard == nil {
		guard = &auth.Guard{} // which refuses every call
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := guard.Admit(r.Context(), auth.Call{
			Procedure: procedure,
			Protocol:  "http",
			Peer:      r.RemoteAddr,
			Header:    r.Header,
		})
		if err != nil {
			Error(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
