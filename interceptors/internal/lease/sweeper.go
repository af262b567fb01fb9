package lease

import "sync"

// A sweeper runs a function in the background: once after however many calls
// came while it was running. The zero value is ready for use.
type sweeper struct {
	mu             sync.Mutex
	running, again bool
}

func (s *sweeper) run(sweep func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again = true
	if s.running {
		return
	}
	s.running = true
	go s.loop(sweep)
}

func (s *sweeper) loop(sweep func()) {
	for s.next() {
		sweep()
	}
}

func (s *sweeper) next() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.again = s.again, false
	return s.running
}
