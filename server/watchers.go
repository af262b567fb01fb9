package server

import (
	"sync"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/server/internal/store"
)

// maxUnread is how many events a watcher may be behind.
const maxUnread = 256

// An event is what happened to a session.
type event struct {
	kind    sessionv1.Event
	session store.Session
}

// watchers are those who are told of events.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// A watcher is told of the events of the sessions that it sees. Its events are
// closed when it has fallen too far behind.
type watcher struct {
	sees   func(store.Session) bool
	events chan *event // shared by all who are told
}

// join adds a watcher until leave is called.
func (w *watchers) join(sees func(store.Session) bool) (joined *watcher, leave func()) {
	joined = &watcher{sees: sees, events: make(chan *event, maxUnread)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[*watcher]struct{})
	}
	w.all[joined] = struct{}{}
	return joined, func() {
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

// tell waits for nobody.
func (w *watchers) tell(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for watcher := range w.all {
		if !watcher.sees(e.session) {
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
