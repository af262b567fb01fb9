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
// hash, they share one.
type session struct {
	first *Lease
	// oldest is no newer than any identity that these streams go by, so that one
	// look tells whether a call brings anything new.
	oldest *Identity
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

func (s *sessions) add(l *Lease) {
	s.n.Add(1)
	id := l.current.Load()
	key := s.hash(sessionKeyOf(id))
	of := s.by[key]
	if of.first != nil {
		of.first.prev = l
	}
	l.next, of.first = of.first, l
	if of.oldest == nil || newer(of.oldest, id) {
		of.oldest = id
	}
	if s.by == nil {
		s.by = make(map[uint64]session)
	}
	s.by[key] = of
}

// remove takes out what was added, once.
func (s *sessions) remove(l *Lease) {
	s.n.Add(-1)
	if l.next != nil {
		l.next.prev = l.prev
	}
	if l.prev != nil {
		l.prev.next = l.next
		return
	}
	key := s.hash(sessionKeyOf(l.admitted.identity))
	if l.next == nil {
		delete(s.by, key)
		return
	}
	s.by[key] = session{l.next, s.by[key].oldest}
}

// isNews reports whether there may be a stream which the identity renews.
func (s *sessions) isNews(id *Identity) bool {
	of := s.by[s.hash(sessionKeyOf(id))]
	return of.first != nil && newer(id, of.oldest)
}

// renewed returns the streams that the identity may renew. They are taken to go
// by it from now on.
func (s *sessions) renewed(id *Identity) (streams []*Lease) {
	key := sessionKeyOf(id)
	at := s.hash(key)
	of := s.by[at]
	if of.first == nil {
		return nil
	}
	of.oldest = id
	for l := of.first; l != nil; l = l.next {
		if sessionKeyOf(l.admitted.identity) == key {
			streams = append(streams, l)
		} else if other := l.current.Load(); newer(of.oldest, other) {
			of.oldest = other
		}
	}
	s.by[at] = of
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
