// Package lease has the mechanics of leases, whatever it is that is leased: a
// [Registry] of what is open and what one renewal is for, a [Counter] of what still
// runs, and [Run] for what may outlive its caller.
package lease

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Registry knows all open leases, and which of them share a session, so that one
// value renews them. K names a session, V is such a value, L is a lease. Set Newer, Visit
// and Close before use; it is then safe for concurrent use.
type Registry[K, L comparable, V any] struct {
	// Newer reports whether a comes after b.
	Newer func(a, b V) bool
	// Visit is what a sweep does with each lease.
	Visit func(L)
	// Close is what End has called for each lease. It reports whether there was anything to do.
	Close func(L) bool

	renewable atomic.Int64 // how many leases are of a session
	sweeps    atomic.Int64 // how many were asked for since the last one began

	mu       sync.RWMutex // guards what follows
	open     map[L]int    // with the position among the leases of its session, 0 where it has none
	sessions map[K]*session[L, V]
	ended    []L  // which Close is still to be called for
	closing  bool // by a goroutine
}

// A session is the leases that one value renews.
type session[L comparable, V any] struct {
	leases []L
	// newest is the newest value that was passed to Renew, and so to all leases. One
	// of them may have begun with a newer one.
	newest V
}

// Join adds a lease that began with value. Where a newer value of the session has come
// already, it returns that, and otherwise the zero V. The zero K is no session: nothing
// renews the lease.
func (r *Registry[K, L, V]) Join(l L, key K, value V) (newer V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open, r.sessions = make(map[L]int), make(map[K]*session[L, V])
	}
	r.open[l] = 0
	if key == *new(K) {
		return newer
	}
	r.renewable.Add(1)
	s := r.sessions[key]
	if s == nil {
		r.sessions[key] = &session[L, V]{leases: []L{l}, newest: value}
		return newer
	}
	r.open[l] = len(s.leases)
	s.leases = append(s.leases, l)
	if r.Newer(s.newest, value) {
		newer = s.newest
	}
	return newer
}

// Leave removes a lease that has joined with the key.
func (r *Registry[K, L, V]) Leave(l L, key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.open[l]
	delete(r.open, l)
	s := r.sessions[key]
	if s == nil {
		return
	}
	r.renewable.Add(-1)
	last := len(s.leases) - 1
	if last == 0 {
		delete(r.sessions, key)
		return
	}
	if at != last { // the last takes its place
		s.leases[at] = s.leases[last]
		r.open[s.leases[at]] = at
	}
	s.leases = slices.Delete(s.leases, last, last+1)
}

// Renewable reports whether any lease is of a session. It costs one read of a number.
func (r *Registry[K, L, V]) Renewable() bool { return r.renewable.Load() > 0 }

// IsNews reports whether there are leases of a session, and a value is newer than
// what they were last renewed with.
func (r *Registry[K, L, V]) IsNews(key K, value V) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.sessions[key]
	return s != nil && r.Newer(value, s.newest)
}

// Renew returns the leases that a value of a session renews: none where it is no
// news.
func (r *Registry[K, L, V]) Renew(key K, value V) []L {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[key]
	if s == nil || !r.Newer(value, s.newest) {
		return nil
	}
	s.newest = value
	return slices.Clone(s.leases)
}

// Len returns how many leases are open.
func (r *Registry[K, L, V]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.open)
}

// Sweep calls Visit for every open lease, in another goroutine. Any number of calls while
// a sweep is under way cause one more after it.
func (r *Registry[K, L, V]) Sweep() {
	if r.sweeps.Add(1) > 1 {
		return // the one that is sweeping sweeps again
	}
	go func() {
		for {
			asked := r.sweeps.Load()
			for _, l := range r.all() {
				r.Visit(l)
			}
			if r.sweeps.CompareAndSwap(asked, 0) {
				return
			}
		}
	}()
}

const (
	// While every processor is busy, Go asks only each 10 ms what has come from the network. So
	// there is a pause after some leases were closed.
	closesAtOnce = 64
	closePause   = time.Millisecond
	// longestTurns is how long others have their turn: where that takes longer, as on a machine
	// that is too busy, the rest is closed without.
	longestTurns = 2 * time.Second
)

// End has Close called for a lease, in another goroutine, one lease at a time. After each,
// everything that is ready to run has its turn first: to close a lease wakes those who wait
// for it, and thousands that are woken at once, as when a subject is revoked, would keep all
// other calls waiting.
func (r *Registry[K, L, V]) End(l L) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, l)
	if !r.closing {
		r.closing = true
		go r.closeEnded()
	}
}

func (r *Registry[K, L, V]) closeEnded() {
	for {
		r.mu.Lock()
		ended := r.ended
		r.ended, r.closing = nil, len(ended) > 0
		r.mu.Unlock()
		if len(ended) == 0 {
			return
		}
		began, closed := time.Now(), 0
		for _, l := range ended {
			if !r.Close(l) || time.Since(began) > longestTurns {
				continue
			}
			runtime.Gosched()
			if closed++; closed%closesAtOnce == 0 {
				time.Sleep(closePause) //nolint:forbidigo // there is no event: it gives others their turn
			}
		}
	}
}

func (r *Registry[K, L, V]) all() []L {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Keys(r.open))
}
