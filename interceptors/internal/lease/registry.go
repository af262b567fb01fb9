// Package lease has the mechanics of leases, whatever it is that is leased: a
// [Registry] of when leases end and which of them one renewal is for, a [Gate] for
// what must not happen after the end, a [Counter] of what still runs, and [Run] for
// what may outlive its caller.
package lease

import (
	"container/heap"
	"math"
	"sync"
	"time"
)

// An Instant is a point in time, in nanoseconds of the wall clock since 1970. It
// takes a third of what a time.Time does.
type Instant int64

// Never is later than every other Instant.
const Never Instant = math.MaxInt64

// At returns the instant of t, and Never where that is beyond the year 2200.
func At(t time.Time) Instant {
	if t.Year() > 2200 {
		return Never
	}
	return Instant(t.UnixNano())
}

// lookAgain bounds how long the timer of a Registry sleeps: timers do not notice
// when the clock is set or the machine was suspended.
const lookAgain = time.Minute

// A Holder holds a lease. Its methods are called without a lock of the Registry,
// possibly after the lease has left it.
type Holder interface {
	// Deadline returns when the lease ends. It may be put off at any time.
	Deadline() Instant
	// Expire ends a lease whose deadline has come.
	Expire(now Instant)
	// Fail ends the lease because the clock has panicked.
	Fail(panicked any)
	// Recheck ends the lease if it may not go on.
	Recheck()
}

// A Registry knows all open leases: when each of them ends, and which of them
// share a session, so that one value renews them. K names a session. Set Now and
// Newer before use; it is then safe for concurrent use.
//
// No goroutine waits for anything here: one timer serves all leases, and one
// goroutine runs for as long as it takes to recheck them.
type Registry[K comparable, V any] struct {
	// Now is the clock.
	Now func() time.Time
	// Newer reports whether a comes after b.
	Newer func(a, b V) bool

	sweep    sweeper
	sessions sessions[K, V]

	mu    sync.RWMutex // guards what follows, and the sessions
	open  deadlines[K, V]
	next  Instant     // when the timer fires; 0 while it is stopped
	timer *time.Timer // nil before the first lease
	swept Instant     // when all were last rechecked because of the time
}

// An Entry is the place of one lease in a Registry. The zero value is in none.
type Entry[K comparable, V any] struct {
	holder     Holder
	place      int            // among the deadlines
	session    *session[K, V] // nil where nothing renews the lease
	next, prev *Entry[K, V]   // of the same session
}

// Join adds a lease that nothing renews.
func (r *Registry[K, V]) Join(e *Entry[K, V], holder Holder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(e, holder)
}

// JoinSession adds a lease of a session that begins with value. Where a newer
// value has come already, it returns that.
func (r *Registry[K, V]) JoinSession(e *Entry[K, V], holder Holder, key K, value V) (newest V, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(e, holder)
	newest = r.sessions.add(e, key, value)
	return newest, r.Newer(newest, value)
}

func (r *Registry[K, V]) add(e *Entry[K, V], holder Holder) {
	e.holder = holder
	heap.Push(&r.open, e)
	r.schedule()
}

// Leave removes a lease that has joined. The key is that of its session, if it has
// one. It leaves the entry without a tie to the others: somebody may still hold it.
func (r *Registry[K, V]) Leave(e *Entry[K, V], key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	heap.Remove(&r.open, e.place)
	r.schedule()
	r.sessions.remove(e, key)
}

// IsNews reports whether there are leases of a session, and a value is newer than
// what they were last renewed with.
func (r *Registry[K, V]) IsNews(key K, value V) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	of := r.sessions.by[key]
	return of != nil && r.Newer(value, of.newest)
}

// Renew returns the holders of the leases that a value of a session renews: none
// where the value is no news.
func (r *Registry[K, V]) Renew(key K, value V) []Holder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions.renew(key, value, r.Newer)
}

// HasSessions reports whether any lease is of a session. It costs one read of a
// number.
func (r *Registry[K, V]) HasSessions() bool { return r.sessions.leases.Load() > 0 }

// Idle reports whether nothing is left of any lease.
func (r *Registry[K, V]) Idle() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.open) == 0 && len(r.sessions.by) == 0 && r.sessions.leases.Load() == 0 && r.next == 0
}

// Recheck has every holder recheck its lease, in the background.
func (r *Registry[K, V]) Recheck() {
	r.sweep.run(func() {
		for _, holder := range r.all() {
			holder.Recheck()
		}
	})
}

func (r *Registry[K, V]) all() []Holder {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]Holder, len(r.open))
	for i, d := range r.open {
		all[i] = d.entry.holder
	}
	return all
}

// schedule has the timer fire at the first deadline, and stops it where there is
// none, since a running timer would keep the Registry alive.
func (r *Registry[K, V]) schedule() {
	if r.timer == nil {
		r.timer = time.AfterFunc(math.MaxInt64, r.tick)
	}
	if len(r.open) == 0 {
		r.next = 0
		r.timer.Stop()
		return
	}
	first := r.open[0].at
	if first == r.next {
		return
	}
	r.next = first
	now, panicked := r.now()
	if panicked != nil {
		now = first // the timer fires at once and finds the same
	}
	r.timer.Reset(min(time.Duration(first-now), lookAgain))
}

// tick ends the leases whose deadline has come. As it comes by at least once a
// minute, it also has the others rechecked for what nobody is notified of, such as
// a list of revocations that has grown too old.
func (r *Registry[K, V]) tick() {
	now, panicked := r.now()
	if panicked != nil {
		for _, holder := range r.all() {
			holder.Fail(panicked)
		}
		return
	}
	due, recheck := r.due(now)
	for _, holder := range due {
		holder.Expire(now)
	}
	if recheck {
		r.Recheck()
	}
}

// due returns the holders whose deadline has come, and whether it is time to
// recheck the others. A renewal leaves the heap alone: it is here that a deadline
// is put off.
func (r *Registry[K, V]) due(now Instant) (due []Holder, recheck bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if recheck = now >= r.swept+Instant(lookAgain) || now < r.swept; recheck {
		r.swept = now
	}
	for len(r.open) > 0 && r.open[0].at <= now {
		first := &r.open[0]
		first.at = first.entry.holder.Deadline()
		if first.at <= now {
			due = append(due, first.entry.holder)
			first.at = Never // it is about to leave
		}
		heap.Fix(&r.open, 0)
	}
	r.next = 0 // the timer has fired, and is to be set in any case
	r.schedule()
	return due, recheck && len(r.open) > 0
}

// now reads the clock, which is not the Registry's own.
func (r *Registry[K, V]) now() (now Instant, panicked any) {
	defer func() { panicked = recover() }()
	return At(r.Now()), nil
}
