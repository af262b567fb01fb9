package lease

import "testing"

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestTheCounterSignalsWhenNoneIsRunning(t *testing.T) {
	t.Parallel()
	var c Counter
	if !isClosed(c.None()) {
		t.Error("a new counter counts something")
	}
	c.Add(1)
	c.Add(1)
	first, second := c.None(), c.None()
	c.Add(-1)
	if isClosed(first) || isClosed(c.None()) {
		t.Error("one of two has ended, and it says that none is running")
	}
	c.Add(-1)
	if !isClosed(first) || !isClosed(second) || !isClosed(c.None()) {
		t.Error("both have ended, and it does not say so")
	}
	c.Add(1)
	if isClosed(c.None()) {
		t.Error("one runs again, and it says that none is running")
	}
	c.Add(-1)
}
