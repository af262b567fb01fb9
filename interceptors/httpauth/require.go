package httpauth

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// errUnguarded is what an unguarded handler gets for the body and for its writes.
var errUnguarded = errors.New("no guard has decided about this request")

// RequireGuard refuses what no guard has decided about, so that no handler is served
// open because its guard was forgotten. Wrap it around the whole mux:
//
//	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(service, connectauth.WithGuard(guard)))
//	mux.Handle("GET /export", httpauth.Protect(guard, export, handler))
//	mux.Handle("GET /healthz", httpauth.Unguarded(healthz))
//	http.ListenAndServe(addr, httpauth.RequireGuard(guard, mux))
//
// Until a guard has decided, a handler can read no byte of the request's body, and
// nothing of its response is sent: the caller is refused instead, with AUTH_FAILURE, or
// with TOKEN_MISSING where no token came. The guard's Observer sees that, with the
// pattern of the mux as the procedure. 404 and 405 are sent as they are, since they
// serve nothing. Put what answers without a guard on purpose, such as CORS, outside, or
// mark it with [Unguarded].
//
// With a nil Guard every request is refused.
func RequireGuard(guard *auth.Guard, next http.Handler) http.Handler {
	if guard == nil {
		guard = &auth.Guard{} // which refuses every call
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := &undecided{ResponseWriter: w, guard: guard}
		ctx, decided := auth.TrackDecision(context.WithValue(r.Context(), undecidedKey{}, u))
		u.decided = decided
		u.request = r.WithContext(ctx)
		if r.Body != nil && r.Body != http.NoBody {
			u.request.Body = &undecidedBody{r.Body, u}
		}
		next.ServeHTTP(u, u.request)
		u.allows(http.StatusOK) // what net/http sends for a handler that writes nothing
	})
}

// Unguarded marks a handler that answers everybody on purpose, for [RequireGuard].
func Unguarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := r.Context().Value(undecidedKey{}).(*undecided); ok {
			u.unguarded.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}

type undecidedKey struct{}

// undecided is the response to a request about which no guard has decided yet.
type undecided struct {
	http.ResponseWriter

	guard     *auth.Guard
	request   *http.Request // the mux notes its pattern in it
	decided   func() bool
	unguarded atomic.Bool

	mu      sync.Mutex
	begun   bool // something was sent
	refused bool
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
	if u.begun || u.open() || status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		u.begun = true
		return true
	}
	u.refused = true
	clear(u.Header())
	refuseRequest(u.ResponseWriter, u.request, refusals{guard: u.guard}, u.refusal())
	return false
}

// refusal has the guard decide about a procedure that has no rule, so that a stranger
// learns no more than from any other refusal, and the Observer sees it.
func (u *undecided) refusal() error {
	procedure := "unguarded " + u.request.Pattern
	_, err := u.guard.Admit(u.request.Context(), auth.Call{
		Procedure: procedure,
		Protocol:  "http",
		Stream:    auth.ByteStream,
		Peer:      u.request.RemoteAddr,
		Header:    u.request.Header,
	})
	if err == nil {
		err = auth.Errorf(auth.AuthFailure, "%s: %w", procedure, errUnguarded)
	}
	return err
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
