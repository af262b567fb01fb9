package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// MaxEvents is how many events are kept, about 1 KiB each.
	MaxEvents = 1 << 13
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
	Time          time.Time
}

// Events are the latest events of sessions, by number. Readers come for them, so that
// one who is slow costs nothing. Its methods may be called from any goroutine.
type Events struct {
	epoch  [16]byte
	wanted atomic.Bool // whether anybody has a position

	mu    sync.Mutex
	ring  []*Event // event n is at n % MaxEvents
	last  uint64   // the number of the last event; the first has 1
	lost  uint64   // the number of the last event that is no longer kept
	added chan struct{}
}

func newEvents() *Events {
	e := &Events{added: make(chan struct{})}
	_, _ = rand.Read(e.epoch[:]) // which never fails
	return e
}

// Epoch identifies these events: another process has others.
func (e *Events) Epoch() [16]byte { return e.epoch }

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
		events = append(events, e.ring[n%MaxEvents])
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
		e.ring = make([]*Event, MaxEvents)
	}
	for _, event := range events {
		e.last++
		e.ring[e.last%MaxEvents] = event
	}
	if e.last-e.lost > MaxEvents {
		e.lost = e.last - MaxEvents
	}
	e.wake()
}

// lose stands for more events than are kept.
func (e *Events) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	e.lost = e.last
	e.wake()
}

// wake tells all who wait for events.
func (e *Events) wake() {
	close(e.added)
	e.added = make(chan struct{})
}

// addRevoked adds an event for each session that revocations end.
func (l *Ledger) addRevoked(ctx context.Context, revocations []revocation.Revocation) {
	if !l.events.wanted.Load() {
		return
	}
	var events []*Event
	added := make(map[sessionKey]bool)
	add := func(s store.Session) (more bool) {
		if key := keyOf(s); !added[key] && l.Revoked(s) {
			added[key] = true
			events = append(events, &Event{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_REVOKED, Before: s, After: s, Time: l.now()})
		}
		return len(events) <= MaxEvents
	}
	for _, r := range revocations {
		if err := l.eachRevoked(ctx, r, add); err != nil {
			l.config.Log.ErrorContext(ctx, "cannot find the sessions that were revoked, for those who watch them", "error", err)
			l.events.lose() // so that they list the sessions again
			return
		}
	}
	if len(events) > MaxEvents { // as where an issuer was revoked
		l.events.lose()
		return
	}
	l.events.add(events...)
}

// eachRevoked calls do with every session that a revocation can concern, until it wants
// no more. A token is
// not a session, and a machine has none.
func (l *Ledger) eachRevoked(ctx context.Context, r revocation.Revocation, do func(store.Session) (more bool)) error {
	switch r.Kind {
	case revocation.TargetSession:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, ID: r.ID, Subject: r.Subject}}, do)
	case revocation.TargetSubject:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, Subject: r.ID}}, do)
	case revocation.TargetClient:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, ClientID: r.ID}}, do)
	case revocation.TargetIssuer:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer}}, do)
	default:
		return nil
	}
}

// addExpired adds an event for each session whose latest token expired since it was
// last called. What was seen before now must have been flushed.
func (l *Ledger) addExpired(ctx context.Context, now time.Time) {
	by := now.Add(-l.maxSkew)
	for l.events.wanted.Load() {
		page, err := l.store.Expired(ctx, l.expired, by, BatchSize)
		if err != nil {
			l.config.Log.ErrorContext(ctx, "cannot find the sessions that have expired, for those who watch them", "error", err)
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
