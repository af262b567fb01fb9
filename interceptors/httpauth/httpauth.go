// Package httpauth guards ordinary net/http handlers: downloads, uploads, event
// streams, WebSockets, and whatever else stands beside the RPCs.
//
//	const export = "/acme.invoice.v1.Files/Export" // its rule is in config.Rules
//	guard, err := ostiary.New(config)
//	// ...
//	mux.Handle("GET /export", httpauth.Protect(guard, export, handler))
//
// An admitted request holds a lease ([auth.StreamTerms]), as a stream of an RPC does: it ends
// when the token expires or is revoked, and goes on when its session renews it
// with any call on any transport of the same Guard. See [Protect].
package httpauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/http1"
)

// Protect asks the Guard about each request before next sees it. A request that
// it admits goes on with the caller's identity in its context
// ([auth.FromContext]); any other is answered by [Error], its body unread.
//
// The procedure names the rule, as /package.Service/Method does for an RPC. It
// is fixed here so that no spelling of a path can choose another rule; the
// method and the path of the request are the mux's affair.
//
// The request and its response end with the lease of the request, by the terms of
// the rule ([auth.StreamTerms]). Whether it has ended is asked again when a part of
// the body was read, and before the first byte of the response. When it ends:
//
//   - The request's context is cancelled, with the *[auth.Error] as its cause.
//   - Reads of the body and writes return that error, those under way too.
//   - If nothing was written yet, the client is answered by [Error]. Otherwise the
//     response is cut so that the client notices: by RST_STREAM over HTTP/2, and by
//     closing the connection over HTTP/1.1.
//   - A hijacked connection is closed.
//
// Protect returns when next has returned, and also the hijacked connection, if
// any, was closed. A panic of next goes on unchanged.
//
// The http.ResponseWriter that next gets has what the original has of
// http.Flusher, http.Hijacker and the methods of http.ResponseController. It has no
// Unwrap, which would lead around the lease. Outside of Protect, use only wrappers
// that have Unwrap: without it, a client that has stopped reading or sending can
// keep the request open after its lease.
//
// A refusal has the id of the call as X-Request-Id. See [RequestIDs] for all other responses.
//
// Where the procedure has no rule, so that every request will be refused, the guard's Logger
// gets a line at once ([auth.Guard.WarnOfRule]).
//
// With a nil Guard every request is refused.
func Protect(guard *auth.Guard, procedure string, next http.Handler, options ...Option) http.Handler {
	if guard == nil {
		guard = &auth.Guard{} // which refuses every call
	}
	configured := refusals{guard: guard}
	for _, option := range options {
		option.apply(&configured)
	}
	guard.WarnOfRule(procedure)
	return marked(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := guard.Admit(r.Context(), auth.Call{
			Procedure: procedure,
			Protocol:  "http",
			Stream:    auth.ByteStream,
			Peer:      r.RemoteAddr,
			Header:    r.Header,
		})
		answer := configured
		answer.requestID = auth.RequestID(ctx)
		if err != nil {
			refuseRequest(w, r, answer, err)
			return
		}
		serve(ctx, answer, w, r, next)
	})
}

// An Option configures [Protect].
type Option interface{ apply(*refusals) }

// RefuseWith has refusals answered in a form of your own, instead of that of [Error].
// What the function writes is sent when it has returned, with the guard's challenge as
// WWW-Authenticate, whatever it has set there. Its default status is the refusal's.
// It may be called while the handler is still running.
func RefuseWith(answer func(w http.ResponseWriter, r *http.Request, refusal *auth.Error)) Option {
	return refuseWith(answer)
}

type refuseWith func(http.ResponseWriter, *http.Request, *auth.Error)

func (f refuseWith) apply(to *refusals) { to.answer = f }

// serve runs the handler of an admitted request under its lease.
func serve(ctx context.Context, answer refusals, w http.ResponseWriter, r *http.Request, next http.Handler) {
	x := &exchange{refusals: answer, outer: w, request: r}
	if r.Body != http.NoBody {
		x.body.ReadCloser, x.body.http2 = r.Body, r.ProtoMajor != 1
	}
	err := answer.guard.Hold(ctx, func(ctx context.Context, lease *auth.Stream) {
		x.lease, x.body.lease = lease, lease
		defer x.returned()
		writer := x.writer()
		request := r.WithContext(http1.Through(ctx, writer))
		if x.body.ReadCloser != nil {
			request.Body = &x.body
		}
		next.ServeHTTP(writer, request)
		x.complete()
	}, x.cut)
	x.returned() // also where the lease had ended before the handler began
	if refusal, ok := errors.AsType[*auth.Error](err); ok {
		x.refuse(refusal)
	}
}
