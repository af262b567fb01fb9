package ledger

import (
	"context"
	"fmt"
	"iter"
	"time"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

// See records that an admitted call belongs to the session of its token, if it
// has one. It calls userAgent only if the session will be written.
func (l *Ledger) See(id *auth.Identity, peer string, userAgent func() string) {
	if SessionOf(id) != "" {
		l.activity.record(id, l.now(), peer, userAgent)
	}
}

// SessionOf returns the ID of the session that a token belongs to, or "". A
// machine has no session, whatever its token says: some issuers let its owner
// choose the claims.
func SessionOf(id *auth.Identity) string {
	if id.Kind == auth.KindMachine {
		return ""
	}
	return id.SessionID
}

// Flush writes what was seen since the last flush, and adds the events. What cannot be written waits for the next flush. While another flush
// is under way it waits, but not longer than ctx.
func (l *Ledger) Flush(ctx context.Context) {
	select {
	case l.flushing <- struct{}{}:
		defer func() { <-l.flushing }()
	case <-ctx.Done():
		return
	}
	l.flush(ctx, l.activity)
	l.flush(ctx, l.reported)
}

func (l *Ledger) flush(ctx context.Context, from *activity) {
	seen, dropped := from.take(l.config.Now())
	if dropped > 0 {
		l.config.Log.WarnContext(ctx, "too many sessions were seen at once to be written; some will be listed late", "dropped", dropped)
	}
	// In batches, so that many take no longer than a write may.
	for len(seen) > 0 {
		batch := seen[:min(len(seen), BatchSize)]
		if err := l.saveSeen(ctx, batch); err != nil {
			l.fails(ctx, writing, "cannot write what was seen of sessions; it is tried again", err)
			from.putBack(seen)
			return
		}
		l.works(ctx, writing)
		seen = seen[len(batch):]
	}
}

// saveSeen writes sessions and adds the events.
func (l *Ledger) saveSeen(ctx context.Context, seen []store.Session) error {
	// They belong to many callers: one who goes away must not cancel the write.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	before, err := l.store.SaveSessions(ctx, seen)
	if err != nil {
		return err
	}
	var events []*Event
	for i, session := range seen {
		event := &Event{Before: before[i], After: before[i].Merge(session), Time: session.LastSeen}
		switch {
		case event.Before == (store.Session{}):
			event.Type = sessionv1.SessionEventType_SESSION_EVENT_TYPE_SEEN
		case event.After.Token.IssuedAt.After(event.Before.Token.IssuedAt):
			event.Type = sessionv1.SessionEventType_SESSION_EVENT_TYPE_RENEWED
		case changed(event.Before, event.After.SeenAs(store.SightingOf(session))):
			event.Type = sessionv1.SessionEventType_SESSION_EVENT_TYPE_CHANGED
		default:
			continue
		}
		events = append(events, event)
	}
	l.events.add(events...)
	return nil
}

// changed reports whether anything is new but times, and the token that the session was
// seen with.
func changed(before, after store.Session) bool {
	for _, s := range []*store.Session{&before, &after} {
		s.FirstSeen, s.LastSeen = time.Time{}, time.Time{}
		s.Token = store.Token{ClientID: s.Token.ClientID, Actor: s.Token.Actor}
	}
	return before != after
}

// pages returns every session within the view, up to BatchSize at once. It ends with the
// first error.
func (l *Ledger) pages(ctx context.Context, view store.View) iter.Seq2[[]store.Session, error] {
	return pagesBy(ctx, l.store.Sessions, view)
}

// pagesBy is pages by a method of the store.
func pagesBy(ctx context.Context, read func(context.Context, store.Listing, int) ([]store.Session, error), view store.View) iter.Seq2[[]store.Session, error] {
	page := func(after store.Session) ([]store.Session, error) {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		page, err := read(ctx, store.List(view).Behind(after), BatchSize)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		return page, nil
	}
	return func(yield func([]store.Session, error) bool) {
		for after := (store.Session{}); ; {
			page, err := page(after)
			if !yield(page, err) || len(page) < BatchSize {
				return
			}
			after = page[len(page)-1]
		}
	}
}

// Sightings returns by which services sessions were seen, in the same order. An error is
// the answer to the caller.
func (l *Ledger) Sightings(ctx context.Context, sessions ...store.Session) ([][]store.Sighting, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	all, err := l.store.Sightings(ctx, sessions)
	if err != nil {
		return nil, l.Unavailable(ctx, err)
	}
	return all, nil
}
