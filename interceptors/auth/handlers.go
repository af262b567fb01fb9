package auth

import (
	"context"
	"sync"
)

// Drain waits until the handlers of all streams have returned, also of those
// that have ended for their client already because their lease did. No server
// knows of these, so call it when the server has stopped, and before what the
// handlers use is closed. It returns the context's error when that ends first.
func (g *Guard) Drain(ctx context.Context) error {
	select {
	case <-g.handlers.none():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handlers counts the handlers that run. The zero value is none.
type handlers struct {
	mu      sync.Mutex
	running int
	waiting chan struct{} // closed when none is running; nil while nobody waits
}

func (h *handlers) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running++
}

func (h *handlers) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	if h.running == 0 && h.waiting != nil {
		close(h.waiting)
		h.waiting = nil
	}
}

// none returns a channel that is closed once none is running.
func (h *handlers) none() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		waiting := make(chan struct{})
		if h.running == 0 {
			close(waiting)
			return waiting
		}
		h.waiting = waiting
	}
	return h.waiting
}
