package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A record gathers what becomes known of one call, on the call's own goroutine,
// from those who know it: the guard its caller and its refusal, the transport
// its outcome.
type record struct {
	protocol  string
	peer      string
	userAgent string // of what came over HTTP
	route     string // of what is not an RPC: the pattern of its handler
	start     time.Time

	decision *auth.Decision // nil when no guard was asked
	code     connect.Code   // 0 is success
	hasCode  bool
	status   int // of HTTP
}

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// noteDecision is the guard's observer. It sees refusals that no interceptor
// does, since they come before a message is read.
func noteDecision(ctx context.Context, d auth.Decision) {
	if rec := recordOf(ctx); rec != nil {
		rec.decision = &d
	}
}

// observe is told of every decision.
func (s *Server) observe(ctx context.Context, d auth.Decision) {
	noteDecision(ctx, d)
	s.ledger.note(ctx, d)
}

// userAgentOf returns what the caller says of itself.
func userAgentOf(ctx context.Context) string {
	if rec := recordOf(ctx); rec != nil && rec.userAgent != "" {
		return rec.userAgent
	}
	return strings.Join(metadata.ValueFromIncomingContext(ctx, "user-agent"), " ")
}

// outcome names the code that the caller got.
func (r *record) outcome() string {
	switch {
	case r.decision != nil && r.decision.Refusal != nil:
		return r.decision.Refusal.Reason.Code().String()
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

// level makes a failure of ours stand out from what callers do, and hides the
// health checks that come every few seconds.
func (r *record) level(outcome string) slog.Level {
	switch {
	case outcome == "internal", outcome == "unknown", outcome == "data_loss", r.status == http.StatusInternalServerError:
		return slog.LevelError
	case r.route == routeLive, r.route == routeReady,
		r.decision != nil && strings.HasPrefix(r.decision.Procedure, healthProcedures):
		return slog.LevelDebug
	case outcome == "unavailable":
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// A callLog writes one record for each call, after it. It names the procedure
// as it was registered, never as the caller spelt it, and no header at all, so
// no token can get into it.
type callLog struct{ log *slog.Logger }

func (l callLog) write(ctx context.Context, r *record) {
	outcome := r.outcome()
	level := r.level(outcome)
	if !l.log.Enabled(ctx, level) {
		return
	}
	procedure, protocol := cmp.Or(r.route, "unknown"), r.protocol
	attrs := make([]slog.Attr, 0, 9)
	if d := r.decision; d != nil {
		procedure, protocol = d.Procedure, d.Protocol
	}
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
	if d := r.decision; d != nil && d.Refusal != nil {
		attrs = append(attrs, slog.String("reason", d.Refusal.Reason.String()))
		if d.Refusal.Cause != nil {
			attrs = append(attrs, slog.String("cause", d.Refusal.Cause.Error()))
		}
	}
	l.log.LogAttrs(ctx, level, "call", attrs...)
}
