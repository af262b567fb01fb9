package ledger

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
	// maxRecent bounds the sessions that are kept in memory, about 300 bytes each.
	maxRecent = 1 << 16
	// seenInterval is how often a session is written that continues with the same
	// token.
	seenInterval = time.Minute
	// maxUserAgent is how much of a user agent is kept, in bytes.
	maxUserAgent = 256
)

// activity holds the sessions that were seen recently, and lists those that are not
// yet written. Only admitted calls reach it, so strangers cannot fill it. If it is
// full, the oldest session is replaced; if that was not yet written, it counts as
// dropped.
type activity struct {
	capacity int

	mu      sync.Mutex
	slots   map[sessionKey]int // indexes of recent
	recent  []recentSession    // a ring, once it has grown to its capacity
	next    int                // the slot to be replaced next, then
	unsaved []int              // slots
	dropped int64              // since the last take
	lost    int64              // before that
}

// A sessionKey names a session as a service has seen it. It belongs to its subject.
type sessionKey struct{ issuer, id, subject, service string }

func keyOf(s store.Session) sessionKey { return sessionKey{s.Issuer, s.ID, s.Subject, s.Service} }

type recentSession struct {
	session store.Session
	unsaved bool      // whether its slot is in activity.unsaved
	taken   time.Time // when it was last taken to be written
}

func newActivity(capacity int) *activity {
	return &activity{capacity: capacity, slots: make(map[sessionKey]int)}
}

// record records that a session was seen. It runs in every call, so it costs no
// more than a map lookup where only the time is new.
func (a *activity) record(id *auth.Identity, now time.Time, peer string, userAgent func() string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot, known := a.slots[sessionKey{issuer: id.Issuer, id: id.SessionID, subject: id.Subject}]
	if known {
		recent := &a.recent[slot]
		recent.session.LastSeen = now
		if !brings(id, &recent.session) && now.Sub(recent.taken) < seenInterval {
			return
		}
	} else {
		slot = a.newSlot()
	}
	a.merge(slot, sessionOf(id, now, peer, userAgent()))
}

// add adds what another service has seen of a session.
func (a *activity) add(seen store.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot, known := a.slots[keyOf(seen)]
	if !known {
		slot = a.newSlot()
	}
	a.merge(slot, seen)
}

func (a *activity) merge(slot int, seen store.Session) {
	session := a.recent[slot].session.Merge(seen)
	a.recent[slot].session = session
	a.slots[keyOf(session)] = slot
	a.save(slot)
}

// brings reports whether a token is newer than the newest of its session, or as new and
// of another organization.
func brings(id *auth.Identity, s *store.Session) bool {
	return id.IssuedAt.After(s.Token.IssuedAt) || id.IssuedAt.Equal(s.Token.IssuedAt) && id.Organization.ID != s.Organization
}

// save lists the slot to be written.
func (a *activity) save(slot int) {
	if !a.recent[slot].unsaved {
		a.recent[slot].unsaved = true
		a.unsaved = append(a.unsaved, slot)
	}
}

// newSlot makes room for a session.
func (a *activity) newSlot() int {
	if len(a.recent) < a.capacity {
		a.recent = append(a.recent, recentSession{})
		return len(a.recent) - 1
	}
	slot := a.next
	a.next = (a.next + 1) % a.capacity
	old := &a.recent[slot]
	delete(a.slots, keyOf(old.session))
	if old.unsaved {
		a.dropped++
	}
	*old = recentSession{unsaved: old.unsaved}
	return slot
}

// take returns the sessions to write, and how many updates were dropped since the
// last call.
func (a *activity) take(now time.Time) (unsaved []store.Session, dropped int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	unsaved = make([]store.Session, len(a.unsaved))
	for i, slot := range a.unsaved {
		unsaved[i] = a.recent[slot].session
		a.recent[slot].unsaved, a.recent[slot].taken = false, now
	}
	a.unsaved = a.unsaved[:0]
	dropped, a.dropped = a.dropped, 0
	a.lost += dropped
	return unsaved, dropped
}

// putBack lists again what was taken and could not be written, with what was seen
// of the same sessions since. A session that was replaced meanwhile counts as
// dropped.
func (a *activity) putBack(taken []store.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, session := range taken {
		if slot, known := a.slots[keyOf(session)]; known {
			a.save(slot)
		} else {
			a.dropped++
		}
	}
}

// sessionOf copies its texts: those of an identity keep its whole token in
// memory.
func sessionOf(id *auth.Identity, now time.Time, peer, userAgent string) store.Session {
	return store.Session{
		Issuer:          strings.Clone(id.Issuer),
		ID:              strings.Clone(id.SessionID),
		Subject:         strings.Clone(id.Subject),
		Organization:    strings.Clone(id.Organization.ID),
		AuthorizedParty: strings.Clone(id.AuthorizedParty),
		UserAgent:       printable(userAgent),
		Address:         host(peer),
		FirstSeen:       now,
		LastSeen:        now,
		Token: store.Token{
			ID:        strings.Clone(id.TokenID),
			ClientID:  strings.Clone(id.ClientID),
			Actor:     actorOf(id),
			IssuedAt:  id.IssuedAt,
			ExpiresAt: id.ExpiresAt,
		},
	}
}

func actorOf(id *auth.Identity) store.Actor {
	if id.Actor == nil {
		return store.Actor{}
	}
	return store.Actor{
		Issuer:    strings.Clone(id.Actor.Issuer),
		Subject:   strings.Clone(id.Actor.Subject),
		SessionID: strings.Clone(id.Actor.SessionID),
		Type:      strings.Clone(id.Actor.Type),
	}
}

// printable keeps control characters out of logs and pages: callers name their
// user agent as they like.
func printable(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxUserAgent)], "")
	return strings.Clone(strings.Map(func(r rune) rune { // or else the rest of a long header would stay
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s))
}

// host returns an address without its port.
func host(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return strings.Clone(host)
	}
	return strings.Clone(address)
}
