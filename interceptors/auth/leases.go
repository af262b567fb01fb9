package auth

import (
	"container/heap"
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// leases are the open streams of a Guard. The zero value is ready for use. No
// goroutine waits for anything here: one timer serves them all, and one goroutine
// runs for as long as it takes to go through them after a revocation.
type leases struct {
	once  sync.Once
	clock func() time.Time
	epoch time.Time // see moment
	sweep sweeper
	bound sessions // those that can be renewed

	mu    sync.RWMutex // of what follows, and of the sessions
	open  deadlines    // of all of them
	next  moment       // when the timer goes off
	timer *time.Timer  // stopped while there are none, lest it keep the Guard
}

// A moment is how long it is after the epoch of a Guard. It takes a third of what
// a time.Time does, and there are three for each stream.
type moment = time.Duration

const never moment = math.MaxInt64

// lookAgain bounds how long the timer sleeps: timers do not notice when the clock
// is set or the machine was suspended.
const lookAgain = time.Minute

func (s *leases) moment(t time.Time) moment { return t.Sub(s.epoch) }

// init comes before everything else.
func (s *leases) init(g *Guard) {
	s.once.Do(func() {
		s.clock = g.clock
		s.epoch = g.clock().Round(0) // by the wall clock, as tokens tell the time
		s.bound.seed = maphash.MakeSeed()
		s.next = never
		s.timer = time.AfterFunc(never, s.tick)
		s.timer.Stop()
		changed := func() { s.sweep.run(s.checkRevoked) }
		if g.Revocations != nil {
			g.Revocations.Watch(changed)
		}
		if keys, ok := g.Authenticator.(Watcher); ok {
			keys.Watch(changed)
		}
	})
}

// join is for a lease that begins. Where a newer token has come already than that
// which opened it, it goes over to that, if the token still counts.
func (s *leases) join(l *Lease) {
	renewal := s.add(l)
	if renewal != nil && l.until(renewal) > s.moment(s.clock()) && l.guard.withdrawn(renewal) == nil {
		l.renew(renewal)
	}
}

func (s *leases) add(l *Lease) (renewal *Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heap.Push(&s.open, l)
	s.schedule()
	if !l.renewable {
		return nil
	}
	return s.bound.add(l)
}

// leave is for a lease that has joined and has ended.
func (s *leases) leave(l *Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heap.Remove(&s.open, l.place)
	s.schedule()
	if l.renewable {
		s.bound.remove(l)
	}
}

// schedule has the timer go off at the first deadline.
func (s *leases) schedule() {
	first := never
	if len(s.open) > 0 {
		first = s.open[0].at
	}
	if first == s.next {
		return
	}
	s.next = first
	if first == never {
		s.timer.Stop()
		return
	}
	s.timer.Reset(min(first-s.moment(s.clock()), lookAgain))
}

// tick ends the leases whose deadline has come.
func (s *leases) tick() {
	now := s.moment(s.clock())
	for _, l := range s.due(now) {
		l.expire(now)
	}
}

// due returns the leases whose deadline has come. A renewal leaves the deadlines
// alone: it is here that they are put off.
func (s *leases) due(now moment) (due []*Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) > 0 && s.open[0].at <= now {
		first := &s.open[0]
		first.at = first.lease.deadline()
		if first.at <= now {
			due = append(due, first.lease)
			first.at = never // it is about to leave
		}
		heap.Fix(&s.open, 0)
	}
	s.next = now // the timer has gone off, and is to be set in any case
	s.schedule()
	return due
}

// renew tells the open streams of the identity's session, if it is news to them.
func (s *leases) renew(id *Identity) {
	if s.bound.n.Load() == 0 || !isBound(id) {
		return
	}
	s.mu.RLock()
	news := s.bound.isNews(id)
	s.mu.RUnlock()
	if !news {
		return
	}
	s.mu.Lock()
	tell := s.bound.renewed(id)
	s.mu.Unlock()
	for _, l := range tell {
		l.renew(id)
	}
}

// checkRevoked ends the streams of what is revoked.
func (s *leases) checkRevoked() {
	s.mu.RLock()
	all := make([]*Lease, len(s.open))
	for i, d := range s.open {
		all[i] = d.lease
	}
	s.mu.RUnlock()
	for _, l := range all {
		l.checkRevoked()
	}
}
