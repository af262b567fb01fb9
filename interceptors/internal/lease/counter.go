package lease

import "sync"

// A Counter counts what runs. The zero value is none.
type Counter struct {
	mu      sync.Mutex
	running int
	waiting chan struct{} // closed when none is running; nil while nobody waits
}

// Add counts n more, or less where n is negative.
func (c *Counter) Add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running += n
	if c.running == 0 && c.waiting != nil {
		close(c.waiting)
		c.waiting = nil
	}
}

// None returns a channel that is closed once none is running.
func (c *Counter) None() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		waiting := make(chan struct{})
		if c.running == 0 {
			close(waiting)
			return waiting
		}
		c.waiting = waiting
	}
	return c.waiting
}
