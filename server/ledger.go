package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// saveInterval is how often what was seen is written, and what other
	// processes on the same database have revoked is read.
	saveInterval = 500 * time.Millisecond
	// pruneInterval is how often what has expired is forgotten.
	pruneInterval = time.Minute
	// saveTimeout bounds a write that nobody may cut short.
	saveTimeout = 15 * time.Second
	// batchSize is how many rows are read at once.
	batchSize = 1000
)

// A ledger is what the server remembers: the sessions that it saw, and what was
// revoked. One goroutine writes and reads the store in the background; calls
// touch memory alone, but for those that ask about sessions or revoke.
type ledger struct {
	store     store.Store
	list      *revocation.List
	retention time.Duration // of sessions
	now       func() time.Time
	log       *slog.Logger

	sightings *sightings
	watchers  watchers

	saving  sync.Mutex // held while sightings are written, so that they are in order
	read    int64      // the sequence of the last revocation that was read
	wake    chan struct{}
	closing chan struct{}
	closed  chan struct{}
}

// openLedger reads every revocation before it returns, so that nothing revoked
// is accepted for even a moment.
func openLedger(ctx context.Context, config Config) (*ledger, error) {
	db, err := config.openStore(ctx)
	if err != nil {
		return nil, err
	}
	l := &ledger{
		store:     db,
		list:      revocation.New(revocation.Config{Retention: config.longestLifetime(), Now: config.Now}),
		retention: config.SessionRetention,
		now:       config.Now,
		log:       config.Logger,
		sightings: newSightings(maxSightings),
		wake:      make(chan struct{}, 1),
		closing:   make(chan struct{}),
		closed:    make(chan struct{}),
	}
	if err := l.readRevocations(ctx); err != nil {
		_ = db.Close() // the first error is the one to mend
		return nil, err
	}
	go l.run(context.WithoutCancel(ctx))
	return l, nil
}

// run works until the ledger is closed.
func (l *ledger) run(ctx context.Context) {
	defer close(l.closed)
	l.prune(ctx)
	save, prune := time.NewTicker(saveInterval), time.NewTicker(pruneInterval)
	defer save.Stop()
	defer prune.Stop()
	for {
		select {
		case <-save.C:
		case <-l.wake:
		case <-prune.C:
			l.prune(ctx)
		case <-l.closing:
			l.saveSightings(ctx)
			return
		}
		l.saveSightings(ctx)
		if err := l.readRevocations(ctx); err != nil {
			l.log.ErrorContext(ctx, "cannot read what other processes have revoked", "error", err)
		}
	}
}

// close writes what is still to be written. It must be called once.
func (l *ledger) close() error {
	close(l.closing)
	<-l.closed
	return l.store.Close()
}

// note is told of every decision. Sessions are seen in admitted calls alone.
func (l *ledger) note(ctx context.Context, d auth.Decision) {
	if d.Refusal != nil || d.Identity == nil || d.Identity.SessionID == "" {
		return
	}
	l.sightings.note(d.Identity, l.now(), func() (userAgent, address string) { return userAgentOf(ctx), d.Peer })
}

// saveSightings writes what was seen and tells those who watch. What cannot be
// written is lost but for the next sighting of the same session.
func (l *ledger) saveSightings(ctx context.Context) {
	l.saving.Lock()
	defer l.saving.Unlock()
	seen, dropped := l.sightings.take(l.now())
	if dropped > 0 {
		l.log.WarnContext(ctx, "too many sessions were seen at once to be written; some will be listed late", "dropped", dropped)
	}
	if len(seen) == 0 {
		return
	}
	// They are everybody's, so a caller who goes away does not take them along.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	before, err := l.store.SaveSessions(ctx, seen)
	if err != nil {
		l.log.ErrorContext(ctx, "cannot write what was seen of sessions", "sessions", len(seen), "error", err)
		return
	}
	for i, session := range seen {
		switch after := before[i].Merge(session); {
		case before[i] == (store.Session{}):
			l.watchers.tell(event{sessionv1.Event_EVENT_SEEN, after})
		case after.IssuedAt.After(before[i].IssuedAt):
			l.watchers.tell(event{sessionv1.Event_EVENT_RENEWED, after})
		}
	}
}

func (l *ledger) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	now := l.now()
	pruned, err := l.store.Prune(ctx, now.Add(-l.retention), now)
	if err != nil {
		l.log.ErrorContext(ctx, "cannot forget what has expired", "error", err)
		return
	}
	l.log.DebugContext(ctx, "forgot what has expired", "sessions", pruned.Sessions, "revocations", pruned.Revocations)
}

// sessions returns a page of what is within the view, and whether there is more.
func (l *ledger) sessions(ctx context.Context, view store.View, after store.Session, limit int) (page []store.Session, more bool, err error) {
	page, err = l.store.Sessions(ctx, view, after, limit+1)
	if err != nil {
		return nil, false, l.unavailable(ctx, err)
	}
	return page[:min(len(page), limit)], len(page) > limit, nil
}

// eachSession calls do with every session within the view.
func (l *ledger) eachSession(ctx context.Context, view store.View, do func(store.Session)) error {
	for after := (store.Session{}); ; {
		page, err := l.store.Sessions(ctx, view, after, batchSize)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		for _, session := range page {
			do(session)
			after = session
		}
		if len(page) < batchSize {
			return nil
		}
	}
}
