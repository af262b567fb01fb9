package ledger

import (
	"context"
	"sync"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// maxUnread is how many events a watcher may be behind.
const maxUnread = 256

// An Event is what happened to a session.
type Event struct {
	Kind    sessionv1.Event
	Session store.Session
}

// Watch returns the events of the sessions that the caller sees, until leave is
// called. sees is asked about each event. The channel is closed when the caller
// has fallen too far behind.
func (l *Ledger) Watch(sees func(store.Session) bool) (events <-chan *Event, leave func()) {
	return l.watchers.join(sees)
}

// watchers receive the events of sessions.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

type watcher struct {
	sees   func(store.Session) bool
	events chan *Event // the events are shared by all watchers
}

func (w *watchers) join(sees func(store.Session) bool) (events <-chan *Event, leave func()) {
	joined := &watcher{sees: sees, events: make(chan *Event, maxUnread)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[*watcher]struct{})
	}
	w.all[joined] = struct{}{}
	return joined.events, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, joined)
	}
}

// none reports that nobody watches.
func (w *watchers) none() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all) == 0
}

// send never waits: a watcher without room is removed.
func (w *watchers) send(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for watcher := range w.all {
		if !watcher.sees(e.Session) {
			continue
		}
		select {
		case watcher.events <- &e:
		default:
			close(watcher.events)
			delete(w.all, watcher)
		}
	}
}

// sendRevoked sends an event for each session that revocations end.
func (l *Ledger) sendRevoked(ctx context.Context, revocations []revocation.Revocation) {
	if l.watchers.none() {
		return
	}
	sent := make(map[sessionKey]bool)
	send := func(s store.Session) {
		if key := keyOf(s); !sent[key] && l.Revoked(s) {
			sent[key] = true
			l.watchers.send(Event{sessionv1.Event_EVENT_REVOKED, s})
		}
	}
	for _, r := range revocations {
		if err := l.eachRevoked(ctx, r, send); err != nil {
			l.config.Log.ErrorContext(ctx, "cannot send revocations to the watchers", "error", err)
			return
		}
	}
}

// eachRevoked calls do with every session that a revocation can concern. Tokens
// and clients have none.
func (l *Ledger) eachRevoked(ctx context.Context, r revocation.Revocation, do func(store.Session)) error {
	switch r.Kind {
	case revocation.TargetSession:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, ID: r.ID, Subject: r.Subject}}, do)
	case revocation.TargetSubject:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer, Subject: r.ID}}, do)
	case revocation.TargetIssuer:
		return l.eachSession(ctx, store.View{{Issuer: r.Issuer}}, do)
	default:
		return nil
	}
}
