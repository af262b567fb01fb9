package auth

import (
	"sync/atomic"
	"time"
)

// A turnstile counts who is inside, until it is closed: then nobody enters any
// more, and one goroutine can wait until the last has left. To pass costs two
// atomic additions. The zero value is open.
type turnstile struct {
	state atomic.Int64 // how many are inside, and the bit of closed
	empty atomic.Pointer[chan struct{}]
}

const closed = 1 << 62

// enter reports whether there is a way in. Where there is, leave follows.
func (t *turnstile) enter() bool {
	if t.state.Add(1)&closed == 0 {
		return true
	}
	t.leave()
	return false
}

func (t *turnstile) leave() {
	if t.state.Add(-1) != closed {
		return
	}
	if empty := t.empty.Swap(nil); empty != nil {
		close(*empty)
	}
}

func (t *turnstile) close() { t.state.Or(closed) }

// drained waits until nobody is inside of what was closed, and reports whether
// that came in time.
func (t *turnstile) drained(within time.Duration) bool {
	if t.state.Load() == closed {
		return true
	}
	empty := t.emptied()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-empty:
		return true
	case <-timer.C:
		return false
	}
}

// wait is drained without a limit.
func (t *turnstile) wait() { <-t.emptied() }

func (t *turnstile) emptied() <-chan struct{} {
	empty := make(chan struct{})
	t.empty.Store(&empty)
	if t.state.Load() == closed { // perhaps the last one left without seeing it
		if unseen := t.empty.Swap(nil); unseen != nil {
			close(*unseen)
		}
	}
	return empty
}
