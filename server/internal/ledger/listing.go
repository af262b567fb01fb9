package ledger

import (
	"context"
	"slices"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxExamined is how many sessions the database examines for a page or a count,
	// maxExaminedByService where it looks for the sightings of each, and maxRead is how
	// many are read to find out their state. Each takes some 30 ms with SQLite.
	maxExamined          = 100_000
	maxExaminedByService = 10_000
	maxRead              = 5000
)

// A Listing says which sessions to list: those of a store's listing that have one of the
// states; any state where there is none.
type Listing struct {
	store.Listing

	States []sessionv1.SessionState
}

// A SessionPage is a part of a listing.
type SessionPage struct {
	Sessions []store.Session
	// More says that the listing goes on behind Next.
	More bool
	Next store.Session
}

// A Count is how many sessions a listing has; at least so many, if it is a Minimum.
type Count struct {
	Sessions int64
	Minimum  bool
}

// Sessions returns a page of a listing. A page may have fewer sessions than limit, and none,
// where few of those that were examined belong to the listing. An error is the answer to the
// caller.
func (l *Ledger) Sessions(ctx context.Context, listing Listing, limit int) (SessionPage, error) {
	l.Flush(ctx)
	bounded := listing
	if listing.searches() {
		var err error
		if bounded, err = l.bounded(ctx, listing); err != nil {
			return SessionPage{}, err
		}
	}
	var page SessionPage
	atOnce := limit + 1
	for read := 0; ; {
		batch, err := l.store.Sessions(ctx, bounded.Listing, atOnce)
		if err != nil {
			return SessionPage{}, l.Unavailable(ctx, err)
		}
		for _, session := range batch {
			if !bounded.has(l, session) {
				continue
			}
			if len(page.Sessions) == limit {
				page.More, page.Next = true, page.Sessions[limit-1]
				return page, nil
			}
			page.Sessions = append(page.Sessions, session)
		}
		if len(batch) < atOnce {
			page.More, page.Next = bounded.Until != (store.Session{}), bounded.Order.Behind(bounded.Until)
			return page, nil
		}
		bounded.After, atOnce = batch[len(batch)-1], BatchSize
		if read += len(batch); read >= maxRead {
			page.More, page.Next = true, bounded.After
			return page, nil
		}
	}
}

// CountSessions returns how many sessions a listing has. An error is the answer to the caller.
func (l *Ledger) CountSessions(ctx context.Context, listing Listing) (Count, error) {
	l.Flush(ctx)
	bounded, err := l.bounded(ctx, listing)
	if err != nil {
		return Count{}, err
	}
	count := Count{Minimum: bounded.Until != (store.Session{})}
	if len(bounded.States) == 0 {
		if count.Sessions, err = l.store.CountSessions(ctx, bounded.Listing); err != nil {
			return Count{}, l.Unavailable(ctx, err)
		}
		return count, nil
	}
	read, err := l.store.Sessions(ctx, bounded.Listing, maxRead)
	if err != nil {
		return Count{}, l.Unavailable(ctx, err)
	}
	count.Minimum = count.Minimum || len(read) == maxRead
	for _, session := range read {
		if bounded.has(l, session) {
			count.Sessions++
		}
	}
	return count, nil
}

// searches reports whether sessions have to be examined that do not belong to the listing: no
// index finds them.
func (q Listing) searches() bool {
	return q.Prefix != "" || q.Service != nil || !q.LastSeenBefore.IsZero() || len(q.States) > 0
}

// bounded returns the part of a listing that is found by examining a limited number of
// sessions.
func (l *Ledger) bounded(ctx context.Context, listing Listing) (Listing, error) {
	until, err := l.store.KeyAt(ctx, listing.Listing, listing.maxExamined()+1)
	if err != nil {
		return Listing{}, l.Unavailable(ctx, err)
	}
	listing.Until = until
	return l.within(listing), nil
}

func (q Listing) maxExamined() int {
	if q.Service != nil {
		return maxExaminedByService
	}
	return maxExamined
}

// within returns the listing without most of the sessions that have other states by the
// expiry of their tokens, so that they are not read.
func (l *Ledger) within(listing Listing) Listing {
	switch now := l.config.Now(); {
	case len(listing.States) != 1:
	case listing.States[0] == sessionv1.SessionState_SESSION_STATE_ACTIVE:
		listing.ExpiresAfter = now.Add(-l.maxSkew)
	case listing.States[0] == sessionv1.SessionState_SESSION_STATE_EXPIRED:
		listing.ExpiresBy = now
	}
	return listing
}

// has reports whether a session has one of the states.
func (q Listing) has(l *Ledger, session store.Session) bool {
	return len(q.States) == 0 || slices.Contains(q.States, l.state(session))
}
