package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"
)

// handler logs the calls of the HTTP port.
func (l callLog) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{protocol: "http", peer: r.RemoteAddr, userAgent: r.UserAgent(), start: time.Now()}
		watched := &statusWriter{ResponseWriter: w, rec: rec}
		ctx := context.WithValue(r.Context(), recordKey{}, rec)
		defer func() { l.write(ctx, rec) }()
		next.ServeHTTP(watched, r.WithContext(ctx))
	})
}

// noteRoute goes around the mux and nothing else, since that notes the pattern
// in the very request that it is given.
func noteRoute(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rec := recordOf(r.Context()); rec != nil {
			defer func() { rec.route = r.Pattern }()
		}
		mux.ServeHTTP(w, r)
	})
}

// statusWriter notes the status of a response.
type statusWriter struct {
	http.ResponseWriter

	rec *record
}

func (w *statusWriter) WriteHeader(status int) {
	w.rec.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Flush is asked for by connect, which streams.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// noteOutcome is the connect interceptor that notes how a call ended: streams
// and gRPC answer 200 whatever comes of them.
type noteOutcome struct{}

func (noteOutcome) note(ctx context.Context, err error) {
	rec := recordOf(ctx)
	if rec == nil {
		return
	}
	rec.hasCode = true
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled): // connect gives these two their codes further out
		rec.code = connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		rec.code = connect.CodeDeadlineExceeded
	default:
		rec.code = connect.CodeOf(err)
	}
}

func (n noteOutcome) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		n.note(ctx, err)
		return res, err
	}
}

func (n noteOutcome) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		err := next(ctx, conn)
		n.note(ctx, err)
		return err
	}
}

func (noteOutcome) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
