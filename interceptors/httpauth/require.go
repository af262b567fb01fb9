package httpauth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// errUnguarded is what an unguarded handler gets for the body and for its writes.
var errUnguarded = errors.New("no guard has decided about this request")

// RequireGuard refuses what nobody guards, so that no handler is served open because its
// guard was forgotten. Give it the mux itself:
//
//	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(service, connectauth.WithGuard(guard)))
//	mux.Handle("GET /export", httpauth.Protect(guard, export, handler))
//	mux.Handle("GET /healthz", httpauth.Unguarded(healthz))
//	http.ListenAndServe(addr, httpauth.RequireGuard(guard, mux))
//
// In an *http.ServeMux it looks up the handler of each request, and refuses the request
// before the handler runs unless the handler is known to be guarded:
//
//   - It is what [Protect], [Unguarded] or RequireGuard has returned. A middleware around
//     that hides it, so put the middleware within, or around the whole mux.
//   - It is mounted at the path of a service, or of a procedure, for which
//     connectauth.WithGuard was given this guard. A prefix may come before that path. It is
//     the path that is known, not the handler; see below.
//   - It is a server of grpcauth.NewServer, or a grpc-gateway that has gatewayauth.WithGuard,
//     with this guard.
//   - It is another *http.ServeMux, in which the handler that is found there is known.
//
// Any other handler, such as another router within the mux, or one of another guard, needs
// a RequireGuard of its own.
//
// In a router other than *http.ServeMux nothing can be looked up, so a handler without a
// guard runs, and its side effects may have happened. So does one at the path of a service
// that has this guard elsewhere, such as on the mux of another port: connect-go does not
// show which handler has WithGuard. Until a guard has decided, it can
// read no byte of the request's body, and nothing of its response is sent: the caller is
// refused instead. Of a 404, 405, 415 or 505 only the status, Allow and Accept-Post are sent, with a body of
// RequireGuard's; to send a page of your own, mark its handler with [Unguarded]. So it is
// also for handlers that are known to be guarded.
//
// The refusal is AUTH_FAILURE for every caller, since the fault is the server's. The guard's
// Observer sees it, with the pattern of the mux as the procedure, and a cause that says what
// to do. Put what answers without a guard on purpose, such as CORS, outside, or mark it with
// [Unguarded].
//
// A refusal is a decision too. A handler that calls [auth.Guard.Admit] itself must return when
// that fails.
//
// With a nil Guard every request is refused.
func RequireGuard(guard *auth.Guard, next http.Handler) http.Handler {
	if guard == nil {
		guard = &auth.Guard{} // which refuses every call
	}
	return marked(func(w http.ResponseWriter, r *http.Request) {
		found := find(guard, next, r)
		if outer, within := r.Context().Value(undecidedKey{}).(*undecided); within { // which holds it already
			if found.guarded || outer.open() {
				next.ServeHTTP(w, r)
			} else {
				outer.refuse(found.pattern) //nolint:contextcheck // it has the request
			}
			return
		}
		u := &undecided{ResponseWriter: w, guard: guard, next: next, header: w.Header().Clone()}
		ctx, decided := auth.TrackDecision(context.WithValue(r.Context(), undecidedKey{}, u))
		u.decided = decided
		u.request = r.WithContext(ctx)
		if !found.guarded && !u.open() {
			u.refuse(found.pattern) //nolint:contextcheck // it has the request
			return
		}
		if r.Body != nil && (r.Body != http.NoBody || r.Method == http.MethodPost && r.Header.Get("Content-Type") != "") {
			// An empty body can be a whole message.
			u.request.Body = &undecidedBody{r.Body, u}
		}
		u.unguarded.Store(found.redirect)
		defer u.dropHeader()
		next.ServeHTTP(u, u.request)
		u.allows(http.StatusOK) //nolint:contextcheck // what net/http sends for a handler that writes nothing
	})
}

// Unguarded marks a handler that answers everybody on purpose, for [RequireGuard].
func Unguarded(next http.Handler) http.Handler {
	return marked(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := r.Context().Value(undecidedKey{}).(*undecided); ok {
			u.unguarded.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}

// marked is a handler that RequireGuard lets run.
type marked func(http.ResponseWriter, *http.Request)

// ServeHTTP implements http.Handler.
func (m marked) ServeHTTP(w http.ResponseWriter, r *http.Request) { m(w, r) }

// found is the handler of a request.
type found struct {
	pattern  string // "" where nothing was looked up
	guarded  bool   // or nothing is known of it
	redirect bool   // it serves nothing
}

// redirects is the type of what a mux redirects with, to the path as it is registered.
var redirects = reflect.TypeOf(http.RedirectHandler("/", http.StatusFound))

// find looks up the handler of a request.
func find(guard *auth.Guard, next http.Handler, r *http.Request) found {
	mux, ok := next.(*http.ServeMux)
	if !ok {
		return found{guarded: true}
	}
	var pattern string
	for ok {
		next, pattern = mux.Handler(r)
		if pattern == "" {
			return found{guarded: true} // 404 or 405
		}
		mux, ok = next.(*http.ServeMux)
	}
	if reflect.TypeOf(next) == redirects {
		return found{guarded: true, redirect: true}
	}
	_, known := next.(marked)
	return found{pattern: pattern, guarded: known || guard.Guards(next) || guardsPath(guard, pattern)}
}

// guardsPath reports whether a pattern ends with a service or a procedure of the guard.
// The path of the request would not do: anybody chooses that.
func guardsPath(guard *auth.Guard, pattern string) bool {
	segments := strings.Split(pattern, "/")
	n := len(segments)
	return n >= 3 && guard.Guards("/"+segments[n-2]+"/"+segments[n-1])
}

type undecidedKey struct{}

// undecided is the response to a request about which no guard has decided yet.
type undecided struct {
	http.ResponseWriter

	guard     *auth.Guard
	next      http.Handler
	request   *http.Request // the mux notes its pattern in it
	header    http.Header   // as it was before the handler, and with the refusal once that is sent
	decided   func() bool
	unguarded atomic.Bool

	mu      sync.Mutex
	begun   bool // something of the handler's was sent
	refused bool // nothing of it is
}

func (u *undecided) open() bool { return u.unguarded.Load() || u.decided() }

// allows reports whether a response may begin with a status. Where it may not, the
// request is refused, once.
func (u *undecided) allows(status int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused {
		return false
	}
	if u.begun || u.open() {
		u.begun = true
		return true
	}
	u.refused = true
	kept := make(http.Header)
	for _, name := range []string{"Accept-Post", "Allow"} {
		if values, ok := u.Header()[name]; ok {
			kept[name] = values
		}
	}
	u.resetHeader()
	if slices.Contains(servesNothing, status) {
		maps.Copy(u.Header(), kept)
		http.Error(u.ResponseWriter, http.StatusText(status), status)
		u.header = u.Header().Clone()
	} else {
		u.answer(u.request.Pattern, ", whose handler has run")
	}
	return false
}

// servesNothing are the answers of routers, and of connect-go, which gives the last two
// before it asks a guard.
var servesNothing = []int{
	http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusHTTPVersionNotSupported,
}

func (u *undecided) resetHeader() {
	clear(u.Header())
	maps.Copy(u.Header(), u.header)
}

// dropHeader drops what the handler has put into the header of a refusal that was sent:
// net/http would send it as trailers.
func (u *undecided) dropHeader() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused {
		u.resetHeader()
	}
}

// refuse refuses a request whose handler has not run.
func (u *undecided) refuse(pattern string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused || u.begun {
		return
	}
	u.refused = true
	u.answer(pattern, "")
}

// answer sends the refusal, and shows it to the Observer.
func (u *undecided) answer(pattern, ran string) {
	name := pattern
	if name == "" {
		name = fmt.Sprintf("%T", u.next) // the path can hold a secret
	}
	call := auth.Call{Procedure: name, Protocol: "http", Stream: auth.ByteStream, Peer: u.request.RemoteAddr, Header: u.request.Header}
	ctx := auth.WithRequestID(u.request.Context(), "")
	refusal := u.guard.Refuse(ctx, call, auth.Errorf(auth.AuthFailure,
		"no guard decided about %s%s: mount it with connectauth.WithGuard, httpauth.Protect around other middleware, or gatewayauth.WithGuard; or with httpauth.Unguarded if it is for everybody",
		name, ran))
	refuseRequest(u.ResponseWriter, u.request, refusals{guard: u.guard, requestID: auth.RequestID(ctx)}, refusal)
	u.header = u.Header().Clone()
}

func (u *undecided) WriteHeader(status int) {
	if u.allows(status) {
		u.ResponseWriter.WriteHeader(status)
	}
}

func (u *undecided) Write(p []byte) (int, error) {
	if !u.allows(http.StatusOK) {
		return 0, errUnguarded
	}
	return u.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (u *undecided) Flush() { _ = u.FlushError() }

// FlushError is for http.ResponseController.
func (u *undecided) FlushError() error {
	if !u.allows(http.StatusOK) {
		return errUnguarded
	}
	return http.NewResponseController(u.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (u *undecided) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !u.allows(http.StatusSwitchingProtocols) {
		return nil, nil, errUnguarded
	}
	return http.NewResponseController(u.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController, which asks for deadlines.
func (u *undecided) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// undecidedBody is the body of such a request.
type undecidedBody struct {
	io.ReadCloser

	response *undecided
}

func (b *undecidedBody) Read(p []byte) (int, error) {
	if !b.response.open() {
		return 0, errUnguarded
	}
	return b.ReadCloser.Read(p)
}
