package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A Decision is what a Guard decided about one call. It holds no token.
type Decision struct {
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

// LogValue gives logs what was decided: the procedure, the outcome and who called,
// and never a token.
func (d Decision) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("procedure", d.Procedure),
		slog.String("protocol", d.Protocol),
		slog.String("peer", d.Peer),
	}
	if d.Identity != nil {
		attrs = append(attrs, slog.String("issuer", d.Identity.Issuer), slog.String("subject", d.Identity.Subject))
	}
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
// at INFO, since strangers cause those as they please. It logs at most ten a second for
// each Reason; the next line then says how many were left out.
func LogRefusals(logger *slog.Logger) Observer {
	return &refusalLog{logger: logger, recent: make(map[Reason]*burst)}
}

const burstLimit = 10

type refusalLog struct {
	logger *slog.Logger

	mu     sync.Mutex
	recent map[Reason]*burst
}

// A burst is the refusals for one reason within a second.
type burst struct {
	began   time.Time
	logged  int
	omitted int
}

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
	omitted, ok := l.admit(d.Refusal.Reason)
	if !ok {
		return
	}
	attrs := d.LogValue().Group()
	if omitted > 0 {
		attrs = append(attrs, slog.Int("omitted", omitted))
	}
	if d.Ended {
		l.logger.LogAttrs(ctx, level, "stream ended", attrs...)
	} else {
		l.logger.LogAttrs(ctx, level, "call refused", attrs...)
	}
}

// admit reports whether to log a refusal, and how many were left out since the last line.
func (l *refusalLog) admit(reason Reason) (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.recent[reason]
	if b == nil {
		b = new(burst)
		l.recent[reason] = b
	}
	if now := time.Now(); now.Sub(b.began) >= time.Second {
		b.began, b.logged = now, 0
	}
	if b.logged == burstLimit {
		b.omitted++
		return 0, false
	}
	b.logged++
	omitted, b.omitted = b.omitted, 0
	return omitted, true
}
