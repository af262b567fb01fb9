package lease

import (
	"sync/atomic"
	"time"
)

// A Gate counts who is inside, until it is closed: then nobody enters any more, and
// one goroutine can wait until the last has left. To pass costs two atomic
// additions. The zero value is open.
type Gate struct {
	state atomic.Int64 // how many are inside, and the bit of closed
	empty atomic.Pointer[chan struct{}]
}

const closed = 1 << 62

// Enter reports whether the gate is open. If it is, Leave follows.
func (g *Gate) Enter() bool {
	if g.state.Add(1)&closed == 0 {
		return true
	}
	g.Leave()
	return false
}

// Leave follows an Enter that returned true.
func (g *Gate) Leave() {
	if g.state.Add(-1) != closed {
		return
	}
	if empty := g.empty.Swap(nil); empty != nil {
		close(*empty)
	}
}

// Close lets nobody enter any more.
func (g *Gate) Close() { g.state.Or(closed) }

// Drained waits until nobody is inside a closed gate, and reports whether that
// came in time.
func (g *Gate) Drained(within time.Duration) bool {
	if g.state.Load() == closed {
		return true
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-g.emptied():
		return true
	case <-timer.C:
		return false
	}
}

// Wait is Drained without a limit.
func (g *Gate) Wait() { <-g.emptied() }

func (g *Gate) emptied() <-chan struct{} {
	empty := make(chan struct{})
	g.empty.Store(&empty)
	if g.state.Load() == closed { // perhaps the last one left without seeing it
		if unseen := g.empty.Swap(nil); unseen != nil {
			close(*unseen)
		}
	}
	return empty
}
