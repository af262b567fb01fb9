package lease

import "sync/atomic"

// sessions are the leases that can be renewed, by what renews them. All but
// leases is guarded by the lock of the Registry.
type sessions[K comparable, V any] struct {
	leases atomic.Int64 // how many there are
	by     map[K]*session[K, V]
}

// A session is the leases that one value renews.
type session[K comparable, V any] struct {
	first *Entry[K, V]
	// newest is the newest value that was passed to renew, and so to all holders.
	// One of them may have begun with a newer one.
	newest V
}

// add adds a lease that begins with value, and returns the newest of its session.
func (s *sessions[K, V]) add(e *Entry[K, V], key K, value V) V {
	s.leases.Add(1)
	of := s.by[key]
	if of == nil {
		of = &session[K, V]{newest: value}
		if s.by == nil {
			s.by = make(map[K]*session[K, V])
		}
		s.by[key] = of
	}
	e.session, e.next = of, of.first
	if e.next != nil {
		e.next.prev = e
	}
	of.first = e
	return of.newest
}

// remove removes a lease, if it is of a session.
func (s *sessions[K, V]) remove(e *Entry[K, V], key K) {
	if e.session == nil {
		return
	}
	s.leases.Add(-1)
	if e.next != nil {
		e.next.prev = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		e.session.first = e.next
	}
	if e.session.first == nil {
		delete(s.by, key)
	}
	e.session, e.next, e.prev = nil, nil, nil
}

// renew notes the newest value of a session, if it is, and returns the holders
// that it renews.
func (s *sessions[K, V]) renew(key K, value V, newer func(a, b V) bool) (holders []Holder) {
	of := s.by[key]
	if of == nil || !newer(value, of.newest) {
		return nil
	}
	of.newest = value
	for e := of.first; e != nil; e = e.next {
		holders = append(holders, e.holder)
	}
	return holders
}
