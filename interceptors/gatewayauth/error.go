package gatewayauth

import (
	"bufio"
	"context"
	"iter"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/refusal"
)

// RelayRefusals is for a gateway that dials a server which has a guard: what the server
// refuses is answered with the challenge as WWW-Authenticate, streams too. The challenge
// is that of the server's trailer, or made of the error's details where the trailer has
// none. The id of the call, by which the server's log is searched, is X-Request-Id as well.
//
// It sets the mux's error handlers, as [WithGuard] does.
func RelayRefusals() runtime.ServeMuxOption {
	return func(mux *runtime.ServeMux) {
		runtime.WithMiddlewares(relay)(mux)
		setErrorHandlers(mux)
	}
}

func setErrorHandlers(mux *runtime.ServeMux) {
	runtime.WithErrorHandler(ErrorHandler(runtime.DefaultHTTPErrorHandler))(mux)
	runtime.WithStreamErrorHandler(streamError)(mux)
}

// ErrorHandler returns an error handler for a mux, for refusals: those of its own guard,
// those of the server that it dials, and an *[auth.Error] that a service returns. It has
// next answer, and sees to it that WWW-Authenticate is the challenge; grpc-gateway itself
// puts the message there. Any other error is next's alone.
func ErrorHandler(next runtime.ErrorHandlerFunc) runtime.ErrorHandlerFunc {
	return func(ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
		if own, ok := refusal.In[withStatus](err); ok {
			err = &statusError{own, auth.RequestID(ctx)}
		}
		if challenge, refused := challengeOf(ctx, r, err); refused {
			w.Header().Set("Cache-Control", "no-store")
			w = &challenged{ResponseWriter: w, refused: true, challenge: challenge}
		}
		relayRequestID(err, w)
		next(ctx, mux, marshaler, w, r, err)
	}
}

// relayRequestID answers a refusal with the id of its call.
func relayRequestID(err error, w http.ResponseWriter) {
	for info := range errorInfos(status.Convert(err)) {
		if id := info.GetMetadata()["request_id"]; auth.ValidRequestID(id) {
			w.Header().Set(auth.RequestIDHeader, id)
		}
	}
}

// errorInfos are the details of a refusal.
func errorInfos(received *status.Status) iter.Seq[*errdetails.ErrorInfo] {
	return func(yield func(*errdetails.ErrorInfo) bool) {
		for _, detail := range received.Details() {
			if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == auth.ErrorDomain && !yield(info) {
				return
			}
		}
	}
}

// withStatus is how grpc-go knows an error that says what to send.
type withStatus interface {
	error
	GRPCStatus() *status.Status
}

// statusError is a refusal with the status that grpc-gateway answers.
type statusError struct {
	refusal   *auth.Error
	requestID string
}

func (e *statusError) Error() string { return e.refusal.Error() }
func (e *statusError) Unwrap() error { return e.refusal }

func (e *statusError) GRPCStatus() *status.Status {
	return status.FromProto(&spb.Status{
		Code:    int32(e.refusal.Code()), //nolint:gosec // a small number
		Message: e.refusal.Sentence(),
		Details: e.refusal.Details(e.requestID),
	})
}

// challengeOf returns the challenge of a refusal, "" where it has none, and whether the
// error is a refusal.
func challengeOf(ctx context.Context, r *http.Request, err error) (challenge string, refused bool) {
	if own, ok := err.(*statusError); ok { //nolint:errorlint // one that is wrapped was not chosen to be sent
		guard, _ := r.Context().Value(guardKey{}).(*auth.Guard)
		return guard.Challenge(own.refusal), true
	}
	challenge, refused = challengeOfDetails(status.Convert(err))
	if received, ok := runtime.ServerMetadataFromContext(ctx); ok && refused {
		if values := received.TrailerMD.Get("www-authenticate"); len(values) > 0 {
			return values[0], true
		}
	}
	return challenge, refused
}

// challengeOfDetails makes the challenge of what a server sent without one.
func challengeOfDetails(received *status.Status) (challenge string, refused bool) {
	for info := range errorInfos(received) {
		reason, known := auth.ParseReason(info.GetReason())
		if !known && received.Code() == codes.Unauthenticated { // of a newer server
			return `Bearer error="invalid_token"`, true
		}
		demanded := info.GetMetadata()
		seconds, _ := strconv.Atoi(demanded["max_age"])
		return (&auth.Error{Reason: reason, Demand: &auth.Demand{
			Scopes:    strings.Fields(demanded["scope"]),
			ACRValues: strings.Fields(demanded["acr_values"]),
			MaxAge:    time.Duration(seconds) * time.Second,
		}}).Challenge(), true
	}
	return "", false
}

type challengedKey struct{}

// relay gives a handler a response that streamError can set the challenge of.
func relay(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		response := &challenged{ResponseWriter: w}
		next(response, r.WithContext(context.WithValue(r.Context(), challengedKey{}, response)), params)
	}
}

// streamError is grpc-gateway's, for errors that a stream begins or ends with.
func streamError(ctx context.Context, err error) *status.Status {
	if response, ok := ctx.Value(challengedKey{}).(*challenged); ok {
		response.challenge, response.refused = challengeOfDetails(status.Convert(err))
		relayRequestID(err, response)
	}
	return runtime.DefaultStreamErrorHandler(ctx, err)
}

// challenged is a response that begins with the challenge of a refusal.
type challenged struct {
	http.ResponseWriter

	refused   bool
	challenge string
}

func (c *challenged) WriteHeader(status int) {
	if c.refused {
		c.Header().Del("WWW-Authenticate")
		if c.challenge != "" {
			c.Header().Set("WWW-Authenticate", c.challenge)
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (c *challenged) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Flush implements http.Flusher.
func (c *challenged) Flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

// Hijack implements http.Hijacker.
func (c *challenged) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(c.ResponseWriter).Hijack()
}
