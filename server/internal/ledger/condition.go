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
	failed [2]bool
	logged map[string]time.Time // by what failed, and why
}

// Database says what the store is able to do: "ok", "read_only" when it takes no writes, so
// that nothing can be revoked, or "failing" when it cannot be read. Tokens are verified in
// any case.
func (l *Ledger) Database() string {
	l.condition.mu.Lock()
	defer l.condition.mu.Unlock()
	switch {
	case l.condition.failed[reading]:
		return "failing"
	case l.condition.failed[writing]:
		return "read_only"
	default:
		return "ok"
	}
}

// fails says that a use of the store has failed, and what was done. It reports whether that is to be logged: at
// once, and while it lasts each minute.
func (c *condition) fails(u use, what string, err error) (log bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed[u] = true
	now := time.Now()
	what += ": " + err.Error()
	if now.Sub(c.logged[what]) < logInterval {
		return false
	}
	if c.logged == nil || len(c.logged) > 100 {
		c.logged = make(map[string]time.Time)
	}
	c.logged[what] = now
	return true
}

// works says that a use of the store has succeeded.
func (l *Ledger) works(ctx context.Context, u use) {
	c := &l.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed[u] {
		c.failed[u] = false
		clear(c.logged)
		l.config.Log.InfoContext(ctx, "the store works again")
	}
}
