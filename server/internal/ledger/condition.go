package ledger

import (
	"context"
	"sync"
	"time"
)

// The uses of the store.
const (
	reading use = iota
	writing
)

type use int

// logInterval is how often the same failure is logged again.
const logInterval = time.Minute

// A condition is that of the store, by its latest uses.
type condition struct {
	mu     sync.Mutex
	failed [2]error             // the latest use of each kind; nil if it succeeded
	since  time.Time            // when the first use of those that fail has failed
	logged map[string]time.Time // by what failed
	probed time.Time            // when it was tried last whether the store takes writes
}

// Database says what the store is able to do: "ok", "read_only" when it takes no writes, so
// that nothing can be revoked, or "failing" when it cannot be read. Tokens are verified in
// any case.
func (l *Ledger) Database() string {
	l.condition.mu.Lock()
	defer l.condition.mu.Unlock()
	switch {
	case l.condition.failed[reading] != nil:
		return "failing"
	case l.condition.failed[writing] != nil:
		return "read_only"
	default:
		return "ok"
	}
}

// probeInterval is how often it is tried whether the store takes writes again.
const probeInterval = 2 * time.Second

// probe finds out whether a store takes writes again that took none, since there may be none
// for a long time.
func (l *Ledger) probe(ctx context.Context) {
	if !l.condition.probeDue() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if l.store.Probe(ctx) == nil {
		l.works(ctx, writing)
	}
}

func (c *condition) probeDue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed[writing] == nil || time.Since(c.probed) < probeInterval {
		return false
	}
	c.probed = time.Now()
	return true
}

// fails says that a use of the store has failed by now.
func (c *condition) fails(u use, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == [2]error{} {
		c.since = now
	}
	c.failed[u] = err
}

// fails says that a use of the store has failed, and logs what cannot be done.
func (l *Ledger) fails(ctx context.Context, u use, what string, err error) {
	l.condition.fails(u, err, l.config.Now())
	l.logFailure(ctx, what, err)
}

// logFailure logs what cannot be done: at once, and while it lasts each minute, whatever
// its error says then.
func (l *Ledger) logFailure(ctx context.Context, what string, err error) {
	c := &l.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.logged[what]) >= logInterval {
		c.logged[what] = now
		l.config.Log.ErrorContext(ctx, what, "error", err) //nolint:sloglint // what is always a constant
	}
}

// works says that a use of the store has succeeded.
func (l *Ledger) works(ctx context.Context, u use) {
	c := &l.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed[u] != nil {
		c.failed[u] = nil
		clear(c.logged)
		l.config.Log.InfoContext(ctx, "the store works again")
		if c.failed == [2]error{} {
			l.hadOutage(c.since)
		}
	}
}
