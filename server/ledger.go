package server

import (
	"context"
	"fmt"
	"log/slog"
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
	// pruneInterval is how often what has expired is forgotten, pruneBatch rows
	// at once.
	pruneInterval = time.Minute
	pruneBatch    = 5000
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
	retention time.Duration            // of sessions
	skews     map[string]time.Duration // of the issuers that are trusted
	now       func() time.Time
	log       *slog.Logger

	sightings *sightings
	watchers  watchers

	saving  chan struct{} // full while sightings are written, so that they are in order
	read    int64         // the sequence of the last revocation that was read
	wake    chan struct{}
	closing chan struct{}
	closed  chan struct{}
}

// openLedger begins to forget what has expired since it was last open, and reads
// every revocation before it returns, so that nothing revoked is accepted for
// even a moment.
func openLedger(ctx context.Context, config Config) (*ledger, error) {
	db, err := config.openStore(ctx)
	if err != nil {
		return nil, err
	}
	l := newLedger(db, config)
	more := l.prune(ctx)
	if err := l.readRevocations(ctx); err != nil {
		_ = db.Close() // the first error is the one to mend
		return nil, err
	}
	go l.run(context.WithoutCancel(ctx), more)
	return l, nil
}

// newLedger returns a ledger that has read nothing and does nothing by itself.
func newLedger(db store.Store, config Config) *ledger {
	return &ledger{
		store:     db,
		list:      revocation.New(revocation.Config{Retention: config.longestLifetime(), Now: config.Now}),
		retention: config.SessionRetention,
		skews:     config.skews(),
		now:       config.Now,
		log:       config.Logger,
		sightings: newSightings(maxSightings),
		saving:    make(chan struct{}, 1),
		wake:      make(chan struct{}, 1),
		closing:   make(chan struct{}),
		closed:    make(chan struct{}),
	}
}

// run works until the ledger is closed. There may be more to prune at once.
func (l *ledger) run(ctx context.Context, more bool) {
	defer close(l.closed)
	save, prune := time.NewTicker(saveInterval), time.NewTimer(pruneAfter(more))
	defer save.Stop()
	defer prune.Stop()
	for {
		select {
		case <-save.C:
		case <-l.wake:
		case <-prune.C:
			prune.Reset(pruneAfter(l.prune(ctx)))
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
// written waits for the next time. A caller who goes away stops waiting for those
// who write already.
func (l *ledger) saveSightings(ctx context.Context) {
	select {
	case l.saving <- struct{}{}:
		defer func() { <-l.saving }()
	case <-ctx.Done():
		return
	}
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
		l.log.ErrorContext(ctx, "cannot write what was seen of sessions; it is tried again", "sessions", len(seen), "error", err)
		l.sightings.putBack(seen)
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

// prune forgets some of what has expired, and reports whether there is more:
// whoever revokes waits for no more than a batch.
func (l *ledger) prune(ctx context.Context) (more bool) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	now := l.now()
	pruned, err := l.store.Prune(ctx, now.Add(-l.retention), now, pruneBatch)
	if err != nil {
		l.log.ErrorContext(ctx, "cannot forget what has expired", "error", err)
		return false
	}
	l.log.DebugContext(ctx, "forgot what has expired", "sessions", pruned.Sessions, "revocations", pruned.Revocations)
	return max(pruned.Sessions, pruned.Revocations) == pruneBatch
}

func pruneAfter(more bool) time.Duration {
	if more {
		return saveInterval
	}
	return pruneInterval
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
