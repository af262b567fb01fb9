package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A record collects what is known of one call, on the call's own goroutine: the
// guard adds its caller and its refusal, the transport its outcome, which may be a
// refusal of the handler.
type record struct {
	protocol  string
	peer      string
	userAgent string // of what came over HTTP
	route     string // of what is not an RPC: the pattern of its handler
	start     time.Time

	decision *auth.Decision // nil when no guard was asked
	refusal  *auth.Error    // in the error that ended the call
	code     connect.Code   // 0 is success
	hasCode  bool
	status   int // of HTTP
}

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// RecordDecision adds a guard's decision to the record of the call. It is for the
// guard's observer, which sees refusals that no interceptor does, since they come
// before a message is read.
func RecordDecision(ctx context.Context, d auth.Decision) {
	if rec := recordOf(ctx); rec != nil {
		rec.decision = &d
	}
}

// UserAgent returns what the caller says of itself.
func UserAgent(ctx context.Context) string {
	if rec := recordOf(ctx); rec != nil && rec.userAgent != "" {
		return rec.userAgent
	}
	return strings.Join(metadata.ValueFromIncomingContext(ctx, "user-agent"), " ")
}

// end records how the call ended.
func (r *record) end(code connect.Code, err error) {
	r.code, r.hasCode = code, true
	errors.As(err, &r.refusal)
}

// refused returns why the guard or the handler refused the call; nil if neither did.
func (r *record) refused() *auth.Error {
	if r.decision != nil && r.decision.Refusal != nil {
		return r.decision.Refusal
	}
	return r.refusal
}

// outcome names the code that the caller got.
func (r *record) outcome() string {
	switch {
	case r.decision != nil && r.decision.Refusal != nil:
		return r.decision.Refusal.Code().String()
	case r.hasCode && r.code == 0:
		return "ok"
	case r.hasCode:
		return r.code.String()
	case r.decision != nil:
		return "unreadable_message" // admitted, and yet its handler never ran
	case r.status >= http.StatusBadRequest:
		return "http_" + strconv.Itoa(r.status)
	default:
		return "ok"
	}
}

// A CallLog writes one record for each call, after it. It names the procedure
// as it was registered, never as the caller spelt it, and no header at all, so
// no token can get into it.
type CallLog struct {
	Log *slog.Logger
	// Quiet reports whether a procedure, or the pattern of a route, is called every
	// few seconds, such as a health check: it is logged at level Debug.
	Quiet func(procedure string) bool
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
	outcome := r.outcome()
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
		slog.Duration("duration", time.Since(r.start)),
	)
	if d := r.decision; d != nil && d.Identity != nil {
		attrs = append(attrs, slog.String("subject", d.Identity.Subject), slog.String("issuer", d.Identity.Issuer))
	}
	if refusal := r.refused(); refusal != nil {
		attrs = append(attrs, slog.String("reason", refusal.Reason.String()))
		if refusal.Cause != nil {
			attrs = append(attrs, slog.String("cause", refusal.Cause.Error()))
		}
	}
	l.Log.LogAttrs(ctx, level, "call", attrs...)
}
