package auth

import (
	"hash/maphash"
	"sync/atomic"
)

// sessions are the streams that can be renewed, by what a token and its
// successors have in common. All but n is for whoever holds the lock of the
// leases.
type sessions struct {
	n    atomic.Int64 // streams
	seed maphash.Seed
	by   map[uint64]session // by the hash of a sessionKey, which takes less than the key
}

// A session is the streams that the same token renews. Should two have the same
// hash, they share one, and may miss a renewal for it.
type session struct {
	first *Lease
	// newest is the newest identity that all of the streams were told of. One of
	// them may have been opened with a newer one.
	newest *Identity
}

// A sessionKey is what a token and its successors have in common.
type sessionKey struct {
	issuer, subject, session, client string

	kind Kind
}

func sessionKeyOf(id *Identity) sessionKey {
	return sessionKey{issuer: id.Issuer, subject: id.Subject, session: id.SessionID, client: id.ClientID, kind: id.Kind}
}

// isBound reports whether the token belongs to a session or to a machine. That
// two tokens are of one user, and of one OAuth client even, is no reason to let
// one go on for the other: they may come from two devices, one of which was lost.
func isBound(id *Identity) bool {
	return id.SessionID != "" || id.Kind == KindMachine
}

func (s *sessions) hash(key sessionKey) uint64 { return maphash.Comparable(s.seed, key) }

// add returns the identity that renews the stream at once, where a newer one has
// come already than that which opened it.
func (s *sessions) add(l *Lease) (renewal *Identity) {
	s.n.Add(1)
	id := l.current.Load()
	key := sessionKeyOf(id)
	at := s.hash(key)
	of := s.by[at]
	if of.first == nil {
		of.newest = id
	} else {
		of.first.prev = l
		if newer(of.newest, id) && sessionKeyOf(of.newest) == key {
			renewal = of.newest
		}
	}
	l.next, of.first = of.first, l
	if s.by == nil {
		s.by = make(map[uint64]session)
	}
	s.by[at] = of
	return renewal
}

// remove takes out what was added, once. It leaves the lease without a tie to the
// others: somebody may still hold it.
func (s *sessions) remove(l *Lease) {
	s.n.Add(-1)
	next, prev := l.next, l.prev
	l.next, l.prev = nil, nil
	if next != nil {
		next.prev = prev
	}
	if prev != nil {
		prev.next = next
		return
	}
	at := s.hash(sessionKeyOf(l.admitted.identity))
	if next == nil {
		delete(s.by, at)
		return
	}
	s.by[at] = session{next, s.by[at].newest}
}

// isNews reports whether there may be a stream which the identity renews.
func (s *sessions) isNews(id *Identity) bool {
	of := s.by[s.hash(sessionKeyOf(id))]
	return of.first != nil && newer(id, of.newest)
}

// renewed returns the streams that the identity may renew.
func (s *sessions) renewed(id *Identity) (streams []*Lease) {
	key := sessionKeyOf(id)
	at := s.hash(key)
	of := s.by[at]
	if of.first == nil || !newer(id, of.newest) {
		return nil
	}
	of.newest = id
	s.by[at] = of
	for l := of.first; l != nil; l = l.next {
		if sessionKeyOf(l.admitted.identity) == key {
			streams = append(streams, l)
		}
	}
	return streams
}

// newer reports whether a was issued after b; of two that were issued in the
// same second, that which lives longer is the newer one.
func newer(a, b *Identity) bool {
	if a.IssuedAt.Equal(b.IssuedAt) {
		return a.ExpiresAt.After(b.ExpiresAt)
	}
	return a.IssuedAt.After(b.IssuedAt)
}
