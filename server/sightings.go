package server

import (
	"net"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxSightings bounds the sessions that are remembered in memory, about
	// 300 bytes each.
	maxSightings = 1 << 16
	// seenInterval is how often a session is written that goes on with the same
	// token.
	seenInterval = time.Minute
	// maxUserAgent is how much of a user agent is kept, in bytes.
	maxUserAgent = 256
)

// sightings are the sessions that were seen lately, and what of them is to be
// written. Only admitted calls get here, so no stranger can fill it; where it is
// full all the same, the session that came first gives way, and an update that
// goes with it is counted as dropped.
type sightings struct {
	capacity int

	mu      sync.Mutex
	places  map[sessionKey]int // in seen
	seen    []sighting         // a ring, once it has grown to its capacity
	next    int                // the place that is given away next, then
	unsaved []int              // places in seen
	dropped int64
}

type sessionKey struct{ issuer, id string }

type sighting struct {
	session store.Session
	unsaved bool
	taken   time.Time // when it was last taken to be written
}

func newSightings(capacity int) *sightings {
	return &sightings{capacity: capacity, places: make(map[sessionKey]int)}
}

// note notes that a session was seen. It runs in every call, so it costs no more
// than a look into a map where nothing but the time is new; caller says where
// the call came from, and is asked only when that is to be written.
func (s *sightings) note(id *auth.Identity, now time.Time, caller func() (userAgent, address string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place, known := s.places[sessionKey{id.Issuer, id.SessionID}]
	if known {
		seen := &s.seen[place]
		seen.session.LastSeen = now
		if !id.IssuedAt.After(seen.session.IssuedAt) && now.Sub(seen.taken) < seenInterval {
			return
		}
	} else {
		place = s.place()
	}
	s.seen[place].session = s.seen[place].session.Merge(sessionOf(id, now, caller))
	s.places[sessionKey{s.seen[place].session.Issuer, s.seen[place].session.ID}] = place
	s.save(place)
}

// save has the session in a place written the next time.
func (s *sightings) save(place int) {
	if !s.seen[place].unsaved {
		s.seen[place].unsaved = true
		s.unsaved = append(s.unsaved, place)
	}
}

// place makes room for a session.
func (s *sightings) place() int {
	if len(s.seen) < s.capacity {
		s.seen = append(s.seen, sighting{})
		return len(s.seen) - 1
	}
	place := s.next
	s.next = (s.next + 1) % s.capacity
	old := &s.seen[place]
	delete(s.places, sessionKey{old.session.Issuer, old.session.ID})
	if old.unsaved {
		s.dropped++
	}
	*old = sighting{unsaved: old.unsaved} // whether its place is listed in s.unsaved
	return place
}

// take returns what is to be written, and how many updates were dropped since
// it was last asked.
func (s *sightings) take(now time.Time) (unsaved []store.Session, dropped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unsaved = make([]store.Session, len(s.unsaved))
	for i, place := range s.unsaved {
		unsaved[i] = s.seen[place].session
		s.seen[place].unsaved, s.seen[place].taken = false, now
	}
	s.unsaved = s.unsaved[:0]
	dropped, s.dropped = s.dropped, 0
	return unsaved, dropped
}

// putBack has what was taken, but not written, taken again, together with what
// was seen of the same sessions since. What has given way to other sessions
// meanwhile is counted as dropped.
func (s *sightings) putBack(taken []store.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range taken {
		if place, known := s.places[sessionKey{session.Issuer, session.ID}]; known {
			s.save(place)
		} else {
			s.dropped++
		}
	}
}

// sessionOf copies its texts: those of an identity keep its whole token in
// memory.
func sessionOf(id *auth.Identity, now time.Time, caller func() (userAgent, address string)) store.Session {
	userAgent, address := caller()
	return store.Session{
		Issuer:          strings.Clone(id.Issuer),
		ID:              strings.Clone(id.SessionID),
		Subject:         strings.Clone(id.Subject),
		Organization:    strings.Clone(id.Organization.ID),
		AuthorizedParty: strings.Clone(id.AuthorizedParty),
		UserAgent:       printable(userAgent),
		Address:         host(address),
		FirstSeen:       now,
		LastSeen:        now,
		IssuedAt:        id.IssuedAt,
		ExpiresAt:       id.ExpiresAt,
	}
}

// printable keeps what a caller says of itself from breaking whatever shows it.
func printable(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxUserAgent)], "")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

func host(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return strings.Clone(host)
	}
	return strings.Clone(address)
}
