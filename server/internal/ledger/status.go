package ledger

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ostiary/ostiary/server/internal/outbox"
)

// A Status is how a ledger is, for metrics and readiness.
type Status struct {
	// Readable and Writable say whether the store took the latest reads and writes.
	Readable, Writable bool
	// FailingSince is when the first of those has failed that still fail; zero if none does.
	FailingSince time.Time
	// LastError is why the latest read failed or, if it did not, the latest write. It may name
	// addresses and files, and is not for callers.
	LastError string
	// Revocations are those in memory. Expired ones count until their space is needed.
	Revocations int
	// Age is how long ago all that was revoked by then had been read. 0 before that.
	Age time.Duration
	// Followers are those with a stream from this process, and Behind is how many
	// revocations the slowest of them has not confirmed.
	Followers int
	Behind    int64
	// Sessions are those in memory that were seen lately, Unsaved what is still to be
	// written of them, and Lost what never will be, since there was too much.
	Sessions, Unsaved int
	Lost              int64
}

// Status returns how the ledger is. It does not ask the store.
func (l *Ledger) Status() Status {
	var s Status
	l.condition.mu.Lock()
	failed := l.condition.failed
	s.Readable, s.Writable = failed[reading] == nil, failed[writing] == nil
	if err := cmp.Or(failed[reading], failed[writing]); err != nil {
		s.FailingSince, s.LastError = l.condition.since, err.Error()
	}
	l.condition.mu.Unlock()
	s.Revocations = l.revoked.Len()
	s.Age = l.changes.age()
	s.Followers, s.Behind = l.readers.streaming()
	for _, a := range []*activity{l.activity, l.reported} {
		a.mu.Lock()
		s.Sessions += len(a.slots)
		s.Unsaved += len(a.unsaved)
		s.Lost += a.lost + a.dropped
		a.mu.Unlock()
	}
	return s
}

// age returns how long ago everything had been read.
func (c *changes) age() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.through.IsZero() {
		return 0
	}
	return c.now().Sub(c.through)
}

// streaming returns how many followers have a stream, and how far the slowest is behind.
func (r *readers) streaming() (n int, behind int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, follower := range r.own {
		if follower.streams > 0 {
			n++
			behind = max(behind, r.read-max(follower.confirmed, 0))
		}
	}
	return n, behind
}

// A Follower is a service, or a relay, that follows this process.
type Follower struct {
	Service, Instance string
	// Connected says whether it has a stream.
	Connected bool
	// HeardAt is when it was heard of last. One that is connected is heard of all the time.
	HeardAt time.Time
	// Behind is how many revocations it has not confirmed.
	Behind int64
}

// Followers returns those of this process, the slowest first, and those that are connected
// before others that are as far.
func (l *Ledger) Followers() []Follower {
	r, now := l.readers, l.readersNow()
	r.mu.Lock()
	defer r.mu.Unlock()
	followers := make([]Follower, 0, len(r.own))
	for key, follower := range r.own {
		one := Follower{Service: key.service, Instance: key.instance, Connected: follower.streams > 0, HeardAt: follower.heardAt, Behind: r.read - max(follower.confirmed, 0)}
		if one.Connected {
			one.HeardAt = now
		}
		followers = append(followers, one)
	}
	slices.SortFunc(followers, func(a, b Follower) int {
		return cmp.Or(cmp.Compare(b.Behind, a.Behind), -compareBools(a.Connected, b.Connected), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	return followers
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// SignOutAttempts returns the attempts of this process to end sessions at their issuers, by
// issuer. It is empty where no sessions are ended there.
func (l *Ledger) SignOutAttempts() map[string]outbox.Attempts { return l.outbox.Attempts() }

// PendingSignOuts returns how many sessions are still to be ended at an issuer, by any server.
func (l *Ledger) PendingSignOuts(ctx context.Context, issuer string) (int64, error) {
	return l.store.PendingSignOuts(ctx, issuer)
}
