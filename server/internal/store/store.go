// Package store defines what the server keeps in a database: the sessions that it
// has seen, the revocations, and the answers to calls that may be retried. Each
// package below it is for one kind of database; storetest tests them against this
// interface.
//
//	db, err := sqlite.Open(ctx, ".ostiary/ostiary.db")
//	saved, err := db.SaveRevocations(ctx, []store.Revocation{{Target: store.Target{Kind: "session", Issuer: iss, Value: "sess_1"}, ExpiresAt: then}}, nil)
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
	// ErrAnswered means that a call with the same request ID was answered before.
	ErrAnswered = errors.New("a call with this request_id was answered before")
	// ErrGone means that the database's file or tables are not where they were when it was
	// opened. Nothing is kept then, since it could be lost.
	ErrGone = errors.New("the database was removed, or replaced by another")
	// ErrNotGiven means that the database has never given out a Sequence, or to another
	// revocation: it was restored from a backup that is older than what the reader knows.
	ErrNotGiven = errors.New("the database has never given this sequence to that revocation")
)

// ErrStandby means that a standby was read, which may lack the latest revocations.
var ErrStandby = errors.New("the database is a standby, which may lack the latest revocations: add target_session_attrs=read-write to database_url, and name every server")

// A Store keeps sessions and revocations. It must be safe for concurrent use,
// by other processes on the same database too. Times are kept to the microsecond,
// and come back in UTC; the zero time comes back as such. Texts come back as they
// were given.
//
// Every method obeys its context; what a context cut short was either done as a
// whole or not at all. After Close, methods other than Epoch, Concurrency, Hints and Close fail.
type Store interface {
	// Epoch identifies the database: 128 random bits that were made with it. It changes
	// when Revocations or Changes finds that another database has taken its place.
	Epoch() [16]byte

	// SaveSessions merges what was seen of sessions into what is kept, as
	// Session.Merge does, and into the sighting of their Service. It returns what was kept
	// before of each, in the same order, as its Service had seen it; that is the zero
	// Session for a new one. All are saved, or none.
	SaveSessions(ctx context.Context, seen []Session) (before []Session, err error)
	// Sessions returns up to limit sessions of a listing, in its order.
	Sessions(ctx context.Context, listing Listing, limit int) ([]Session, error)
	// SessionNames is Sessions with nothing but Issuer, ID, Subject and FirstSeen, which takes
	// a third of the time.
	SessionNames(ctx context.Context, listing Listing, limit int) ([]Session, error)
	// CountSessions returns how many sessions a listing has.
	CountSessions(ctx context.Context, listing Listing) (int64, error)
	// KeyAt returns the key of the order at the n-th session of a listing, of which only View,
	// Order and After matter. It is the zero Session if there are not so many.
	KeyAt(ctx context.Context, listing Listing, n int) (Session, error)
	// Sightings returns the sightings of each session, in the same order: the latest
	// MaxSightings, in the order of Sighting.Compare. Only the names of the sessions matter.
	Sightings(ctx context.Context, sessions []Session) ([][]Sighting, error)
	// Expired returns up to limit sessions whose ExpiresAt is expiredBy or earlier, and
	// that come after the given one in the order of ExpiresAt, Issuer, ID and Subject.
	Expired(ctx context.Context, after Session, expiredBy time.Time, limit int) ([]Session, error)

	// SaveRevocations keeps revocations and returns them with their ID, and with their
	// Sequence, which grows with every revocation and is never given twice, not even
	// after pruning. Once it returns they are on disk: neither a crash nor a loss of
	// power undoes them. All of them are kept, or none.
	//
	// An answer, unless it is nil, is kept with them, even if there are none. It fails
	// with ErrAnswered, and keeps nothing, if there is an answer by the same Call.
	//
	// So are sign-outs. Of two by the same name the first is kept, until the later ExpiresAt;
	// but one that its issuer has refused is due again.
	SaveRevocations(ctx context.Context, revocations []Revocation, answer *Answer, signOuts ...SignOut) ([]Revocation, error)
	// Revocations returns up to limit revocations of a listing, in its order. A caller of a
	// listing in the order of Sequence who passes the last that was returned as After
	// misses none. Errors: ErrNotGiven, also for what another database had given, and
	// ErrGone.
	Revocations(ctx context.Context, listing RevocationListing, limit int) ([]Revocation, error)
	// CountRevocations returns how many revocations a listing has.
	CountRevocations(ctx context.Context, listing RevocationListing) (int64, error)
	// RevocationAt returns Sequence and CreatedAt of the n-th revocation of a listing, of which
	// only NewestFirst and After matter. It is the zero Revocation if there are not so many.
	RevocationAt(ctx context.Context, listing RevocationListing, n int) (Revocation, error)
	// Changes returns up to limit revocations that come after the given one, in the order of
	// Sequence, as Revocations does, without their Origin and Cause, which takes half the time. It
	// is for those who read all, and also fails with ErrStandby where a standby has no more.
	Changes(ctx context.Context, after Revocation, limit int) ([]Revocation, error)
	// Strongest returns the strongest revocation of each target that has one which
	// expires after now, in no order: first those for every token, whenever it was
	// issued, then those with the latest IssuedBefore; of equal ones that which expires
	// last. Targets that differ in Subject are different.
	Strongest(ctx context.Context, targets []Target, now time.Time) ([]Revocation, error)
	// Answer returns the answer that was kept for a call, and the hash of its request.
	// Both are nil if there is none.
	Answer(ctx context.Context, call Call) (hash, answer []byte, err error)

	// SignOuts returns those of the sessions that are named, of which only Issuer,
	// SessionID and Subject matter, in no order.
	SignOuts(ctx context.Context, named []SignOut) ([]SignOut, error)
	// ClaimSignOuts returns up to limit of an issuer's sign-outs that are due now, and
	// makes them due again at until, when nobody who has claimed them is left.
	ClaimSignOuts(ctx context.Context, issuer string, now, until time.Time, limit int) ([]SignOut, error)
	// SaveSignOut keeps what became of one that was claimed: the Failures, DueAt and EndedAt
	// of after. If it has been claimed again since, only an EndedAt is kept, and a session
	// that has ended stays so.
	SaveSignOut(ctx context.Context, claimed, after SignOut) error
	// PendingSignOuts returns how many of an issuer's sign-outs are pending.
	PendingSignOuts(ctx context.Context, issuer string) (int64, error)

	// SaveReaders keeps who reads the revocations, unless it was heard of later than that,
	// and forgets who was not heard of since a time.
	SaveReaders(ctx context.Context, readers []Reader, forget time.Time) error
	// Readers returns all readers, in the order of Service and InstanceID.
	Readers(ctx context.Context) ([]Reader, error)

	// Concurrency returns how many calls it serves at once. Others wait.
	Concurrency() int

	// AddStream keeps a new stream. It fails with ErrTooManyStreams if there are as many as
	// limit already, or ownLimit of its Owner.
	AddStream(ctx context.Context, stream Stream, limit, ownLimit int) error
	// Streams returns all streams, in the order of their IDs.
	Streams(ctx context.Context) ([]Stream, error)
	// UpdateStream keeps what change makes of a stream, which nobody changes meanwhile, and
	// returns that. If change fails, nothing is kept, and its error is returned. change must
	// not use the store. It fails with ErrNoStream if there is none.
	UpdateStream(ctx context.Context, id string, change func(*Stream) error) (Stream, error)
	// DeleteStream deletes a stream, if there is one.
	DeleteStream(ctx context.Context, id string) error
	// ClaimStreams returns the streams that are due now and on which something is to be sent:
	// a revocation, or a verification. It makes them due again at until, when nobody who has
	// claimed them is left.
	ClaimStreams(ctx context.Context, now, until time.Time) ([]Stream, error)

	// SigningKeys returns the keys by which events are signed, the latest first.
	SigningKeys(ctx context.Context) ([]SigningKey, error)
	// AddSigningKey keeps a key, unless there is one that was made at a time or later, and
	// deletes all but the latest keep keys.
	AddSigningKey(ctx context.Context, key SigningKey, unlessSince time.Time, keep int) error

	// Hints returns a channel with a value whenever others may have saved revocations just
	// now, so that a reader need not wait for its turn. Some are lost, and some mean
	// nothing. It is nil if the database gives no hints.
	Hints() <-chan struct{}

	// Clock returns what is known of the time of day.
	Clock(ctx context.Context) (Clock, error)
	// SaveClock replaces Believed and Doubted, unless Believed is not any more what it was
	// before.
	SaveClock(ctx context.Context, before, after Clock) error
	// Probe succeeds if the database takes writes, and they reach the disk.
	Probe(ctx context.Context) error
	// Prune deletes what is older than the limits say: up to limit rows of each kind,
	// the oldest first, since other writers wait meanwhile. It keeps the last revocation.
	Prune(ctx context.Context, age Age, limit int) (Pruned, error)
	// Close waits for what is under way and closes the database. It may be called
	// again.
	Close() error
}

// A Clock is what is known of the time of day.
type Clock struct {
	// Believed is the latest time of day by which servers have pruned; zero for none.
	Believed time.Time
	// Doubted is for how long they have run since, at times of day that they doubt.
	Doubted time.Duration
	// Now is the time of day by the database's own clock; zero where it has none.
	Now time.Time
}

// An Age says what to delete.
type Age struct {
	SeenBefore     time.Time // sessions that were last seen earlier
	ExpiredBy      time.Time // revocations and sign-outs that expired at this time or earlier
	AnsweredBefore time.Time // answers that were given earlier
}

// Pruned is what was deleted.
type Pruned struct {
	Sessions                       []Session
	Revocations, Answers, SignOuts int64
}

// A Call is one that may be retried: who calls which method, with which request ID.
type Call struct{ Issuer, Subject, Procedure, RequestID string }

// An Answer is what is kept of a call.
type Answer struct {
	Call Call
	Hash []byte // of the request
	At   time.Time
	// Encode returns the answer to the call that has saved these revocations.
	Encode func(saved []Revocation) ([]byte, error)
}
