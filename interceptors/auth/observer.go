package auth

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ostiary/ostiary/internal/logsample"
)

// A Decision is what a Guard decided about one call. It holds no token.
type Decision struct {
	// RequestID names the call, to its caller too. Decisions about one call share it. Never
	// empty in what a Guard shows.
	RequestID string
	Procedure string
	Protocol  string
	Stream    StreamType
	Peer      string
	// UserAgent is what the caller's program says of itself, in the user-agent header, of a
	// call that was admitted with an identity. Nobody has checked it.
	UserAgent string
	// Identity is nil when the caller is anonymous, or was refused before it
	// was known.
	Identity *Identity
	// Refusal is nil when the call was admitted.
	Refusal *Error
	// Ended is set where the call had been admitted, and its stream has ended with the
	// Refusal.
	Ended bool
	// Duration is how long it took to decide; 0 where nothing was to be decided,
	// such as when a stream ends with its token.
	Duration time.Duration
}

// String returns a line for logs.
func (d Decision) String() string {
	outcome := "admitted"
	if d.Refusal != nil {
		outcome = d.Refusal.Reason.String()
	}
	if d.Ended {
		outcome = "ended " + outcome
	}
	return fmt.Sprintf("%s %s %s", d.Protocol, d.Procedure, outcome)
}

// OfStranger reports whether the caller is anonymous, or has a token whose signature was not
// found to hold. What strangers cause can be any amount.
func (d Decision) OfStranger() bool {
	return d.Identity == nil && (d.Refusal == nil || d.Refusal.Verified == nil)
}

// Token returns what is known of the caller's token, whose signature holds: by the Identity,
// or by the refusal where the token was not accepted. It is zero for a stranger.
func (d Decision) Token() VerifiedToken {
	switch {
	case d.Identity != nil:
		return d.Identity.VerifiedToken()
	case d.Refusal != nil && d.Refusal.Verified != nil:
		return *d.Refusal.Verified
	default:
		return VerifiedToken{}
	}
}

// LogValue gives logs what was decided: the procedure, the outcome and who called, and
// never a bearer token.
func (d Decision) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("procedure", d.Procedure),
		slog.String("protocol", d.Protocol),
		slog.String("peer", d.Peer),
		slog.String("request_id", d.RequestID),
	}
	attrs = append(attrs, d.Token().LogValue().Group()...)
	if d.Refusal != nil {
		attrs = append(attrs, d.Refusal.LogValue().Group()...)
	}
	return slog.GroupValue(attrs...)
}

// An Observer sees every decision, refusals too: for metrics, logs and audit.
// The call waits for it, so it should be quick, and must be safe for concurrent
// use. If it panics, a call that was to be admitted is refused with AuthFailure:
// what cannot be recorded does not happen. A refusal stays what it is.
//
// There is one Decision for each call; and a second one with the refusal if it is
// admitted and then refused after all, because of one of its messages, or because
// its token no longer counts.
type Observer interface {
	Observe(ctx context.Context, d Decision)
}

// ObserverFunc is a function that is an Observer. A nil one observes nothing.
type ObserverFunc func(ctx context.Context, d Decision)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, d Decision) {
	if f != nil {
		f(ctx, d)
	}
}

// Observers returns an Observer that shows each decision to all of the given ones, in
// turn. Those that are nil are left out.
func Observers(all ...Observer) Observer {
	return ObserverFunc(func(ctx context.Context, d Decision) {
		for _, o := range all {
			if o != nil {
				o.Observe(ctx, d)
			}
		}
	})
}

// LogRefusals returns an Observer that logs every refusal, and the end of every stream that
// ends with its lease: at ERROR where the fault is
// ours (AuthFailure), at WARN where keys, revocations or users cannot be had, and otherwise
// at INFO. So that strangers cannot fill the disk, it logs at most ten refusals within ten
// seconds for each Reason of callers without an Identity whose refusal is not Verified; a
// line at the end of the ten seconds says how many others there were, of how many peers.
// A nil logger is slog.Default().
func LogRefusals(logger *slog.Logger) Observer {
	if logger == nil {
		logger = slog.Default()
	}
	return &refusalLog{strangers: logsample.Sampler{Logger: logger}}
}

type refusalLog struct{ strangers logsample.Sampler }

// Observe implements Observer.
func (l *refusalLog) Observe(ctx context.Context, d Decision) {
	if d.Refusal == nil {
		return
	}
	level := slog.LevelInfo
	if d.Refusal.Reason == AuthFailure {
		level = slog.LevelError
	} else if d.Refusal.Code() == CodeUnavailable {
		level = slog.LevelWarn
	}
	if d.OfStranger() && !l.strangers.Admit(ctx, level, d.Refusal.Reason.String(), d.Peer) {
		return
	}
	if d.Ended {
		l.strangers.Logger.LogAttrs(ctx, level, "stream ended", d.LogValue().Group()...)
	} else {
		l.strangers.Logger.LogAttrs(ctx, level, "call refused", d.LogValue().Group()...)
	}
}
