package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logsample"
)

// A CallLog writes one record for each call, after it. It names the procedure
// as it was registered, never as the caller spelt it, and no header at all, so
// no token can get into it.
type CallLog struct {
	// Strangers has the logger, and leaves out lines about callers whom nobody knows where
	// there are too many.
	Strangers *logsample.Sampler
	// Quiet reports whether a procedure, or the pattern of a route, is called every
	// few seconds, such as a health check: it is logged at level Debug.
	Quiet func(procedure string) bool
	// Begin returns the context of a call that has come, with what it makes of the headers,
	// unless the call is quiet. Nil changes nothing.
	Begin func(ctx context.Context, header func(name string) []string) context.Context
	// End is called at the end of each call. Nil does nothing.
	End func(ctx context.Context, call Call)
	// Signed says that a caller who succeeds without a guard has signed the request, and so is
	// no stranger.
	Signed bool
}

// A Call is one that has ended.
type Call struct {
	// Procedure is as it was registered; or the pattern of a route, or unknown, of what is no
	// RPC.
	Procedure, Protocol string
	// Outcome is the name of the code.
	Outcome string
	Took    time.Duration
	// Decision is the last about the call; nil where no guard was asked.
	Decision *auth.Decision
	// Refusal is what ended the call; nil for any other outcome. A handler may have decided it.
	Refusal *auth.Error
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
	if l.End != nil {
		var refusal *auth.Error
		errors.As(r.failure, &refusal)
		l.End(ctx, Call{procedure, protocol, outcome, took, r.decision, refusal})
	}
	level, log := l.level(r, procedure, outcome), l.Strangers.Logger
	if !log.Enabled(ctx, level) || l.ofStranger(r, outcome) && !l.Strangers.Admit(ctx, level, r.kind(outcome), r.peer) {
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
	attrs = append(attrs, r.caller()...)
	log.LogAttrs(ctx, level, "call", append(attrs, r.reason()...)...)
}

func (l CallLog) ofStranger(r *record, outcome string) bool {
	if r.decision != nil {
		return r.decision.OfStranger()
	}
	return !l.Signed || outcome != "ok"
}

func (l CallLog) begin(ctx context.Context, procedure string, header func(string) []string) context.Context {
	if l.Begin == nil || l.Quiet(procedure) {
		return ctx
	}
	return l.Begin(ctx, header)
}

// quietName is what Quiet knows a request by, before its handler is known.
func quietName(r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.Method + " " + r.URL.Path
	}
	return r.URL.Path
}

// Middleware logs the calls of the HTTP port.
func (l CallLog) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{protocol: "http", peer: r.RemoteAddr, userAgent: r.UserAgent(), start: time.Now()}
		watched := &statusWriter{ResponseWriter: w, rec: rec}
		ctx := l.begin(context.WithValue(r.Context(), recordKey{}, rec), quietName(r), r.Header.Values)
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
func (l CallLog) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	rec := &record{protocol: "grpc", start: time.Now()}
	if p, ok := peer.FromContext(ctx); ok {
		rec.peer = p.Addr.String()
	}
	return l.begin(context.WithValue(ctx, recordKey{}, rec), info.FullMethodName, func(name string) []string {
		return metadata.ValueFromIncomingContext(ctx, name)
	})
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
