package httpauth

import (
	"net/http"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// RequestIDs gives every request an id by which its caller and the logs name it: it is in
// the X-Request-Id header of each response, in the context ([auth.RequestID]), in the
// decisions of guards, and in the details of their refusals. Put it around everything else:
//
//	http.ListenAndServe(addr, httpauth.RequestIDs(mux, nil))
//
// An id that came in the X-Request-Id header of the request is kept where trusted says that
// its sender, the direct peer of the connection, is a proxy of yours, and where it is valid
// ([auth.ValidRequestID]). Nobody else chooses what is in the logs. A nil trusted trusts
// nobody.
func RequestIDs(next http.Handler, trusted func(r *http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var given string
		if values := r.Header[auth.RequestIDHeader]; len(values) == 1 && trusted != nil && trusted(r) {
			given = values[0]
		}
		ctx := auth.WithRequestID(r.Context(), given)
		w.Header().Set(auth.RequestIDHeader, auth.RequestID(ctx))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
