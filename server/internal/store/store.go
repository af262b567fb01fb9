// Package store defines what the server keeps in a database: the sessions that it
// has seen, and the revocations. Each package below it is for one kind of
// database; storetest tests them against this interface.
//
//	db, err := sqlite.Open(ctx, ".ostiary/ostiary.db")
//	saved, err := db.SaveRevocations(ctx, []store.Revocation{{Kind: "session", Issuer: iss, Value: "sess_1", ExpiresAt: then}})
//	// durable from here on, also if the machine loses its power now
package store

import (
	"context"
	"errors"
	"time"
)

// The errors of a store. Check with errors.Is.
var (
	// ErrNewerSchema means that a newer version of the server has written the
	// database, so that this one could misread it.
	ErrNewerSchema = errors.New("the database belongs to a newer version of ostiary: update this one, or give it another database")
	// ErrDamaged means that the file is no database, or is damaged. Revocations may
	// be missing from it, so it is not used at all.
	ErrDamaged = errors.New("the database is damaged, or the file is no database: restore a backup, or move it away and revoke anew what must stay revoked")
)

// A Store keeps sessions and revocations. It must be safe for concurrent use,
// by other processes on the same database too. Times are kept to the microsecond,
// and come back in UTC; the zero time comes back as such. Texts come back as they
// were given.
//
// Every method obeys its context; what a context cut short was either done as a
// whole or not at all. After Close, methods other than Close fail.
type Store interface {
	// SaveSessions merges what was seen of sessions into what is kept, as
	// Session.Merge does. It returns what was kept before of each, in the same
	// order; that is the zero Session for a new one. All are saved, or none.
	SaveSessions(ctx context.Context, seen []Session) (before []Session, err error)
	// Sessions returns up to limit sessions that are within the view and come
	// after the given one, in the order of Session.Before; from the first on when
	// that is the zero Session. Only the fields that Before compares matter.
	Sessions(ctx context.Context, view View, after Session, limit int) ([]Session, error)

	// SaveRevocations keeps revocations and returns them with their Sequence,
	// which grows with every revocation and is never given twice, not even after
	// pruning. Once it returns they are on disk: neither a crash nor a loss of
	// power undoes them. All of them are kept, or none.
	SaveRevocations(ctx context.Context, revocations []Revocation) ([]Revocation, error)
	// Revocations returns up to limit revocations whose Sequence is above after,
	// in the order of Sequence. A caller who passes the last Sequence returned
	// misses none.
	Revocations(ctx context.Context, after int64, limit int) ([]Revocation, error)

	// RevokedUntil returns when the last of the revocations expires that cover the
	// given one: those of its Kind, Issuer and Value, for its Subject or anybody,
	// and for every token, whenever it was issued. It returns the zero time where
	// there is none.
	RevokedUntil(ctx context.Context, given Revocation) (time.Time, error)

	// Prune deletes the sessions that were last seen before seenBefore, and the
	// revocations that expired at expiredBy or earlier: up to limit of each, the
	// oldest first, since other writers wait meanwhile.
	Prune(ctx context.Context, seenBefore, expiredBy time.Time, limit int) (Pruned, error)
	// Close waits for what is under way and closes the database. It may be called
	// again.
	Close() error
}

// Pruned is how many rows were deleted.
type Pruned struct{ Sessions, Revocations int64 }

// A Revocation is one that was made. It is never changed.
type Revocation struct {
	Sequence int64 // given by the store

	Kind         string    // session, subject, token, client or issuer
	Issuer       string    // of the revoked tokens
	Value        string    // the session, subject, token or client; "" for issuer
	Subject      string    // whose tokens of a session are meant; "" means anybody's
	IssuedBefore time.Time // tokens issued earlier are revoked; zero means all
	ExpiresAt    time.Time // from then on it is not needed

	CreatedAt time.Time
	By        Party
	Cause     string // as the caller gave it
}

// A Party is the caller who revoked.
type Party struct {
	Issuer  string
	Subject string
	Actor   string // the subject of the impersonator, where Subject was impersonated
}
