package transport

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"
)

// Middleware logs the calls of the HTTP port.
func (l CallLog) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{protocol: "http", peer: r.RemoteAddr, userAgent: r.UserAgent(), start: time.Now()}
		watched := &statusWriter{ResponseWriter: w, rec: rec}
		ctx := context.WithValue(r.Context(), recordKey{}, rec)
		defer func() {
			if !rec.hasCode && requestWasLate(ctx) { // so that no interceptor ran
				rec.end(connect.CodeDeadlineExceeded, nil)
			}
			l.write(ctx, rec)
		}()
		next.ServeHTTP(watched, r.WithContext(ctx))
	})
}

// RecordRoute adds the route to the record of the call. It must be the last
// before the http.ServeMux, which sets the pattern of the very request that it is
// given.
func RecordRoute(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rec := recordOf(r.Context()); rec != nil {
			defer func() { rec.route = r.Pattern }()
		}
		mux.ServeHTTP(w, r)
	})
}

// statusWriter records the status of a response.
type statusWriter struct {
	http.ResponseWriter

	rec *record
}

func (w *statusWriter) WriteHeader(status int) {
	w.rec.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher, which connect needs for streams.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap implements what http.ResponseController looks for.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// RecordOutcome is the connect interceptor that adds the code of a call to its
// record: streams and gRPC answer 200 whatever their outcome.
type RecordOutcome struct{}

func (RecordOutcome) record(ctx context.Context, err error) {
	rec := recordOf(ctx)
	if rec == nil {
		return
	}
	var code connect.Code
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled): // connect gives these two their codes further out
		code = connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		code = connect.CodeDeadlineExceeded
	default:
		code = connect.CodeOf(err)
	}
	rec.end(code, err)
}

// WrapUnary implements connect.Interceptor.
func (n RecordOutcome) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		n.record(ctx, err)
		return res, err
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (n RecordOutcome) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		err := next(ctx, conn)
		n.record(ctx, err)
		return err
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (RecordOutcome) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
