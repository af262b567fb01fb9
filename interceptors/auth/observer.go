package auth

import (
	"context"
	"fmt"
	"time"
)

// A Decision is what a Guard decided about one call. It holds no token.
type Decision struct {
	Procedure string
	Protocol  string
	Stream    StreamType
	Peer      string
	// Identity is nil when the caller is anonymous, or was refused before it
	// was known.
	Identity *Identity
	// Refusal is nil when the call was admitted.
	Refusal *Error
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
	return fmt.Sprintf("%s %s %s", d.Protocol, d.Procedure, outcome)
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
