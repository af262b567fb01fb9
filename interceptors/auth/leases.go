package auth

import (
	"slices"
	"sync"
	"sync/atomic"
)

// leases are the open streams of a Guard that a token binds, by session. The zero value is ready
// for use. No goroutine waits for anything here; one runs for as long as it
// takes to go through the streams after a revocation.
type leases struct {
	open  atomic.Int64
	watch sync.Once
	sweep sweeper

	mu       sync.RWMutex
	sessions map[sessionKey]*session
}

// A sessionKey is what a token and its successors have in common.
type sessionKey struct {
	issuer, subject, session, client string

	kind Kind
}

func keyOf(id *Identity) sessionKey {
	return sessionKey{issuer: id.Issuer, subject: id.Subject, session: id.SessionID, client: id.ClientID, kind: id.Kind}
}

// A session is the streams that the same token renews.
type session struct {
	mu     sync.Mutex
	leases []*Lease
	// oldest is the oldest identity that a renewable stream may go by, so that
	// one look tells whether a call brings anything new. nil where none is
	// renewable.
	oldest atomic.Pointer[Identity]
}

func (s *leases) join(l *Lease, id *Identity) {
	s.watch.Do(func() {
		if revocations := l.guard.Revocations; revocations != nil {
			revocations.Watch(func() { s.sweep.run(s.checkRevoked) })
		}
	})
	s.open.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := keyOf(id)
	of := s.sessions[key]
	if of == nil {
		of = new(session)
		if s.sessions == nil {
			s.sessions = make(map[sessionKey]*session)
		}
		s.sessions[key] = of
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	l.place = len(of.leases)
	of.leases = append(of.leases, l)
	if oldest := of.oldest.Load(); l.terms.Lease == Renewable && (oldest == nil || newer(oldest, id)) {
		of.oldest.Store(id)
	}
}

// leave may be called once for each lease, and only for one that has joined.
func (s *leases) leave(l *Lease) {
	s.open.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := keyOf(l.current.Load()) // whatever has renewed it has the same
	of := s.sessions[key]
	of.mu.Lock()
	defer of.mu.Unlock()
	last := len(of.leases) - 1
	of.leases[l.place] = of.leases[last]
	of.leases[l.place].place = l.place
	of.leases[last] = nil
	of.leases = of.leases[:last]
	if last == 0 {
		delete(s.sessions, key)
	}
}

// renew tells the open streams of the identity's session, if it is news to them.
func (s *leases) renew(id *Identity) {
	if s.open.Load() == 0 {
		return
	}
	s.mu.RLock()
	of := s.sessions[keyOf(id)]
	s.mu.RUnlock()
	if of == nil {
		return
	}
	if oldest := of.oldest.Load(); oldest == nil || !newer(id, oldest) {
		return
	}
	of.mu.Lock()
	of.oldest.Store(id)
	tell := slices.Clone(of.leases)
	of.mu.Unlock()
	for _, l := range tell {
		l.renew(id)
	}
}

// checkRevoked ends the streams of what is revoked.
func (s *leases) checkRevoked() {
	var all []*Lease
	s.mu.RLock()
	for _, of := range s.sessions {
		of.mu.Lock()
		all = append(all, of.leases...)
		of.mu.Unlock()
	}
	s.mu.RUnlock()
	for _, l := range all {
		l.checkRevoked()
	}
}

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
