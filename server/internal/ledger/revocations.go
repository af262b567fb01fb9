package ledger

import (
	"context"
	"errors"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A RevocationPage is a part of a listing.
type RevocationPage struct {
	Revocations []store.Revocation
	// More says that the listing goes on behind Next.
	More bool
	Next Place
}

// Revocations returns a page of a listing that begins behind a place; the zero Place is the
// beginning. A page may have fewer revocations than limit, and none, where few of those that
// were examined belong to the listing. An error is the answer to the caller.
func (l *Ledger) Revocations(ctx context.Context, listing store.RevocationListing, after Place, limit int) (RevocationPage, error) {
	listing.After = after.revocation()
	var last store.Revocation
	if listing.Searches() {
		var err error
		if last, err = l.boundRevocations(ctx, &listing); err != nil {
			return RevocationPage{}, err
		}
	}
	found, err := l.store.Revocations(ctx, listing, limit+1)
	switch {
	case err != nil:
		return RevocationPage{}, l.listingFailure(ctx, err)
	case len(found) > limit:
		return RevocationPage{found[:limit], true, PlaceOf(found[limit-1])}, nil
	case listing.Until != 0:
		return RevocationPage{found, true, PlaceOf(last)}, nil
	case len(found) > 0:
		after = PlaceOf(found[len(found)-1])
	}
	return RevocationPage{found, false, after}, nil
}

// CountRevocations returns how many of the first maxExamined revocations belong to a listing; the
// listing has more, or may have more, if minimum. An error is the answer to the caller.
func (l *Ledger) CountRevocations(ctx context.Context, listing store.RevocationListing) (n int64, minimum bool, err error) {
	if _, err := l.boundRevocations(ctx, &listing); err != nil {
		return 0, false, err
	}
	if n, err = l.store.CountRevocations(ctx, listing); err != nil {
		return 0, false, l.Unavailable(ctx, err)
	}
	return n, listing.Until != 0, nil
}

// boundRevocations bounds a listing to as many revocations as may be examined, and returns the
// last of them; the zero Revocation where there are no more than that.
func (l *Ledger) boundRevocations(ctx context.Context, listing *store.RevocationListing) (last store.Revocation, err error) {
	if last, err = l.store.RevocationAt(ctx, *listing, maxExamined); err != nil {
		return last, l.Unavailable(ctx, err)
	}
	listing.Until = last.Sequence
	return last, nil
}

// changesAfter returns a page of the changes that come after a place, in the order of their
// sequence. An error is the answer to the caller.
func (l *Ledger) changesAfter(ctx context.Context, after Place, limit int) ([]store.Revocation, error) {
	page, err := l.store.Changes(ctx, after.revocation(), limit)
	if err != nil {
		return nil, l.listingFailure(ctx, err)
	}
	return page, nil
}

// listingFailure returns the answer to a caller whose place is in a listing that failed.
func (l *Ledger) listingFailure(ctx context.Context, err error) error {
	if errors.Is(err, store.ErrNotGiven) {
		l.noticeAhead(ctx)
		return rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
	return l.Unavailable(ctx, err)
}

// A Preview is what a revocation would end.
type Preview struct {
	// Sessions are active, and their newest tokens would be refused. Subjects are whose they are.
	Sessions, Subjects int64
	// Minimum says that there are more sessions than were examined.
	Minimum bool
}

// WouldRevoke reports whether a request that was prepared would revoke the token of an identity.
func (l *Ledger) WouldRevoke(request Request, id *auth.Identity) bool {
	alone := revocation.New(revocation.Config{Retention: l.config.MaxLifetime, Now: l.config.Now})
	return alone.Add(request.Revocation) == nil && alone.Revoked(id) != nil
}

// Preview returns what a request that was prepared would end. known is false where nobody can
// know: of a single token, and of machines, which have no sessions. An error is the answer to
// the caller.
func (l *Ledger) Preview(ctx context.Context, request Request) (preview Preview, known bool, err error) {
	view := concernedBy(request.Revocation)
	if view == nil {
		return Preview{}, false, nil
	}
	l.Flush(ctx)
	listing, err := l.bounded(ctx, Listing{Listing: store.List(view), States: []sessionv1.SessionState{sessionv1.SessionState_SESSION_STATE_ACTIVE}})
	if err != nil {
		return Preview{}, false, err
	}
	read, err := l.store.Sessions(ctx, listing.Listing, maxRead)
	if err != nil {
		return Preview{}, false, l.Unavailable(ctx, err)
	}
	subjects := make(map[readerKey]bool)
	for _, s := range read {
		if listing.has(l, s) && covers(store.Revocation{IssuedBefore: request.Before}, s) {
			preview.Sessions++
			subjects[readerKey{s.Issuer, s.Subject}] = true
		}
	}
	preview.Subjects = int64(len(subjects))
	preview.Minimum = listing.Until != (store.Session{}) || len(read) == maxRead
	return preview, true, nil
}
