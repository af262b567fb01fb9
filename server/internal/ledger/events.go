package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// DefaultMaxEvents is how many events are kept, about 1 KiB each.
	DefaultMaxEvents = 1 << 13
	// maxEventBytes bounds the texts of those that are kept: users can make them long.
	maxEventBytes = 32 << 20
	// eventsAtOnce is how many events a reader gets at once.
	eventsAtOnce = 100
)

// ErrEventsLost means that events after a position are no longer kept.
var ErrEventsLost = errors.New("these events are no longer kept")

// ErrNoEvents means that there never was an event at a position.
var ErrNoEvents = errors.New("there were never so many events")

// An Event is a change of a session.
type Event struct {
	// Type is what happened, to those who see the session before and after.
	Type sessionv1.SessionEventType
	// Before and After are the session before and after the event. Before is zero for
	// a new session, After for one that was removed.
	Before, After store.Session
	// State is that of the session right after the event. Events sets it.
	State sessionv1.SessionState
	Time  time.Time
	// Lost, if it is not nil, says that this event stands for more of the sessions that it
	// matches than are kept: those who see such sessions must list them again.
	Lost *store.Filter
}

// bytes returns the length of the texts of an event.
func (e *Event) bytes() int {
	n := 0
	for _, s := range []*store.Session{&e.Before, &e.After} {
		actor := s.Token.Actor
		for _, text := range []string{
			s.Issuer, s.ID, s.Subject, s.Organization, s.AuthorizedParty, s.UserAgent, s.Address, s.Token.ID, s.Token.ClientID,
			actor.Issuer, actor.Subject, actor.SessionID, actor.Type,
		} {
			n += len(text)
		}
	}
	return n
}

// Events are the latest events of sessions, by number. Readers come for them, so that
// one who is slow costs nothing. Its methods may be called from any goroutine.
type Events struct {
	state  func(store.Session) sessionv1.SessionState
	max    int         // how many are kept
	wanted atomic.Bool // whether anybody has a position

	mu    sync.Mutex
	epoch [16]byte
	ring  []*Event // event n is at n % max
	last  uint64   // the number of the last event; the first has 1
	lost  uint64   // the number of the last event that is no longer kept
	bytes int      // of the events that are kept
	added chan struct{}
}

// newEvents returns no events yet, of which it keeps as many as its capacity. state returns what a session is now.
func newEvents(capacity int, state func(store.Session) sessionv1.SessionState) *Events {
	e := &Events{max: capacity, state: state, added: make(chan struct{})}
	_, _ = rand.Read(e.epoch[:]) // which never fails
	return e
}

// Epoch identifies these events: another process has others, and they begin anew when the
// database was replaced.
func (e *Events) Epoch() [16]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.epoch
}

// Last returns the number of the last event.
func (e *Events) Last() uint64 {
	e.wanted.Store(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// After returns the next events after a number, up to 100 of them. If there are none
// yet, it returns a channel that is closed when there are. Errors: ErrEventsLost and
// ErrNoEvents.
func (e *Events) After(number uint64) (events []*Event, added <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case number > e.last:
		return nil, nil, ErrNoEvents
	case number < e.lost:
		return nil, nil, ErrEventsLost
	case number == e.last:
		return nil, e.added, nil
	}
	for n := number + 1; n <= e.last && len(events) < eventsAtOnce; n++ {
		events = append(events, *e.at(n))
	}
	return events, nil, nil
}

// add adds events. Nobody can miss them before a position was given out, so that they
// are not kept until then.
func (e *Events) add(events ...*Event) {
	if len(events) == 0 || !e.wanted.Load() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ring == nil {
		e.ring = make([]*Event, e.max)
	}
	for _, event := range events {
		// Of two events of a session the later one has the later state: none is added
		// between these lines.
		event.State = e.state(event.After)
		if e.last-e.lost == uint64(e.max) { //nolint:gosec // it is positive
			e.dropOldest()
		}
		e.last++
		*e.at(e.last) = event
		for e.bytes += event.bytes(); e.bytes > maxEventBytes; {
			e.dropOldest()
		}
	}
	e.wake()
}

func (e *Events) dropOldest() {
	e.lost++
	oldest := e.at(e.lost)
	e.bytes -= (*oldest).bytes()
	*oldest = nil
}

// at returns the place of an event.
func (e *Events) at(n uint64) **Event { return &e.ring[n%uint64(len(e.ring))] }

// lose stands for more events than are kept.
func (e *Events) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	e.lost = e.last
	clear(e.ring)
	e.bytes = 0
	e.wake()
}

// restart begins anew, with another epoch.
func (e *Events) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = rand.Read(e.epoch[:]) // which never fails
	e.last, e.lost, e.bytes = 0, 0, 0
	clear(e.ring)
	e.wake()
}

// wake tells all who wait for events.
func (e *Events) wake() {
	close(e.added)
	e.added = make(chan struct{})
}

// addEnded adds the events of what ReadRevocations has read. What was seen before must have
// been flushed.
func (l *Ledger) addEnded(ctx context.Context) {
	l.reading.Lock()
	ended := l.ended
	l.ended = nil
	l.reading.Unlock()
	l.addRevoked(ctx, ended)
}

// addRevoked adds an event for each session that revocations end, in parts, so that
// readers keep up, or one for all where there are too many.
func (l *Ledger) addRevoked(ctx context.Context, revocations []revocation.Revocation) {
	if !l.events.wanted.Load() {
		return
	}
	added := make(map[sessionKey]bool) // no more than events are kept
	for _, r := range revocations {
		ended := 0
		for page, err := range l.pages(ctx, concernedBy(r)) {
			if err != nil {
				l.logFailure(ctx, "cannot find the sessions that were revoked, for those who watch them", err)
				l.events.lose() // so that they list the sessions again
				return
			}
			var events []*Event
			for _, s := range page {
				if added[keyOf(s)] || !l.Revoked(s) || r.Kind == revocation.TargetSession && l.revokedAnyway(s) {
					continue
				}
				if len(added) < l.events.max {
					added[keyOf(s)] = true
				}
				events = append(events, &Event{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_REVOKED, Before: s, After: s, Time: l.now()})
			}
			l.events.add(events...)
			ended += len(events)
			if ended > l.events.max/2 { // so that nobody else loses any, who reads a little later
				l.events.add(&Event{Lost: &concernedBy(r)[0], Time: l.now()})
				break
			}
		}
	}
}

// concernedBy returns the sessions that a revocation can concern. A token is not a
// session, and a machine has none.
func concernedBy(r revocation.Revocation) store.View {
	switch r.Kind {
	case revocation.TargetSession:
		return store.View{{Issuer: r.Issuer, ID: r.ID, Subject: r.Subject}}
	case revocation.TargetSubject:
		return store.View{{Issuer: r.Issuer, Subject: r.ID}}
	case revocation.TargetClient:
		return store.View{{Issuer: r.Issuer, ClientID: r.ID}}
	case revocation.TargetOrganization:
		return store.View{{Issuer: r.Issuer, Organization: &r.ID}}
	case revocation.TargetMember:
		return store.View{{Issuer: r.Issuer, Subject: r.Subject, Organization: &r.ID}}
	case revocation.TargetIssuer:
		return store.View{{Issuer: r.Issuer}}
	default:
		return nil
	}
}

// revokedAnyway reports whether the newest token of a session is revoked by its subject,
// client, organization or issuer, of which there is an event already: who signs out a subject revokes
// its sessions too.
func (l *Ledger) revokedAnyway(s store.Session) bool {
	return l.revoked.Revoked(&auth.Identity{
		Issuer: s.Issuer, Subject: s.Subject, ClientID: s.Token.ClientID, IssuedAt: s.Token.IssuedAt,
		Organization: auth.Organization{ID: s.Organization},
	}) != nil
}

// addExpired adds an event for each session whose latest token expired since it was
// last called. What was seen before now must have been flushed.
func (l *Ledger) addExpired(ctx context.Context, now time.Time) {
	by := now.Add(-l.maxSkew)
	for l.events.wanted.Load() {
		page, err := l.store.Expired(ctx, l.expired, by, BatchSize)
		if err != nil {
			l.logFailure(ctx, "cannot find the sessions that have expired, for those who watch them", err)
			return
		}
		var events []*Event
		for _, s := range page {
			if l.expired = s; !l.Revoked(s) {
				events = append(events, &Event{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_EXPIRED, Before: s, After: s, Time: now})
			}
		}
		l.events.add(events...)
		if len(page) < BatchSize {
			break
		}
	}
	if l.expired.Token.ExpiresAt.Before(by) {
		l.expired = store.Session{Token: store.Token{ExpiresAt: by}}
	}
}
