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
	// Duration is how long it took to decide.
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

// An Observer is told of every decision, refusals too: for metrics, logs and
// audit. The call waits for it, so it should be quick, and
// must be safe for concurrent use. A panic in it is swallowed: it cannot turn a
// refusal into a pass, nor a pass into a crash.
//
// A call is told of once, unless it is admitted and then refused after all, for
// one of its messages or because its lease has ended: that is a second Decision.
type Observer interface {
	Observe(ctx context.Context, d Decision)
}

// ObserverFunc is a function that is an Observer.
type ObserverFunc func(ctx context.Context, d Decision)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, d Decision) { f(ctx, d) }

// now reads the clock only where somebody asks how long a decision took.
func (g *Guard) now() time.Time {
	if g.Observer == nil {
		return time.Time{}
	}
	return time.Now()
}

// observe keeps a panicking Observer from turning a decision into a crash.
func (g *Guard) observe(ctx context.Context, call *Call, id *Identity, refusal *Error, start time.Time) {
	if g.Observer == nil {
		return
	}
	defer func() { _ = recover() }()
	g.Observer.Observe(ctx, Decision{
		Procedure: call.Procedure,
		Protocol:  call.Protocol,
		Stream:    call.Stream,
		Peer:      call.Peer,
		Identity:  id,
		Refusal:   refusal,
		Duration:  time.Since(start),
	})
}
