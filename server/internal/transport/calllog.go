package transport

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// A CallLog writes one record for each call, after it. It names the procedure
// as it was registered, never as the caller spelt it, and no header at all, so
// no token can get into it.
type CallLog struct {
	Log *slog.Logger
	// Quiet reports whether a procedure, or the pattern of a route, is called every
	// few seconds, such as a health check: it is logged at level Debug.
	Quiet func(procedure string) bool
	// Measure is called with each call that a guard has decided about, for metrics. Nil
	// measures nothing.
	Measure func(ctx context.Context, procedure, protocol, outcome string, took time.Duration)
}

// level makes our own failures stand out from what callers do, and hides what is
// quiet.
func (l CallLog) level(r *record, procedure, outcome string) slog.Level {
	switch {
	case outcome == "internal", outcome == "unknown", outcome == "data_loss", r.status == http.StatusInternalServerError:
		return slog.LevelError
	case l.Quiet(procedure):
		return slog.LevelDebug
	case outcome == "unavailable":
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func (l CallLog) write(ctx context.Context, r *record) {
	procedure, protocol := cmp.Or(r.route, "unknown"), r.protocol
	if d := r.decision; d != nil {
		procedure, protocol = d.Procedure, d.Protocol
	}
	outcome, took := r.outcome(), time.Since(r.start)
	if l.Measure != nil && r.decision != nil {
		l.Measure(ctx, procedure, protocol, outcome, took)
	}
	level := l.level(r, procedure, outcome)
	if !l.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("procedure", procedure),
		slog.String("protocol", protocol),
		slog.String("peer", r.peer),
		slog.String("code", outcome),
		slog.Duration("duration", took),
	)
	if d := r.decision; d != nil && d.Identity != nil {
		attrs = append(attrs, slog.String("subject", d.Identity.Subject), slog.String("issuer", d.Identity.Issuer))
	}
	l.Log.LogAttrs(ctx, level, "call", append(attrs, r.reason()...)...)
}

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

// TagRPC begins the record of a call. With the methods below it implements
// stats.Handler, which grpc-go calls for every call, also where no interceptor
// runs.
func (l CallLog) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	rec := &record{protocol: "grpc", start: time.Now()}
	if p, ok := peer.FromContext(ctx); ok {
		rec.peer = p.Addr.String()
	}
	return context.WithValue(ctx, recordKey{}, rec)
}

// HandleRPC writes the record at the end of a call.
func (l CallLog) HandleRPC(ctx context.Context, event stats.RPCStats) {
	end, ok := event.(*stats.End)
	if rec := recordOf(ctx); ok && rec != nil {
		rec.end(connect.Code(status.Code(end.Error)), end.Error)
		l.write(ctx, rec)
	}
}

// TagConn does nothing.
func (CallLog) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (CallLog) HandleConn(context.Context, stats.ConnStats) {}
