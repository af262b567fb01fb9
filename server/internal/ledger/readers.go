package ledger

import (
	"context"
	"crypto/rand"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// saveReadersInterval is how often what readers confirm is written, and
	// readersHeartbeat how often it is written that they are there.
	saveReadersInterval = 200 * time.Millisecond
	readersHeartbeat    = 10 * time.Second
	// readersGone is how long nothing is heard of a reader that nobody waits for any more,
	// and forgetReaders that of one that does not count any more.
	readersGone   = 15 * time.Second
	forgetReaders = time.Minute
	// maxReaders bounds the followers of this process that count.
	maxReaders = 1 << 14
	// propagationTimeout is how long somebody who revokes waits for the readers, and
	// propagationInterval how often it is counted meanwhile.
	propagationTimeout  = time.Second
	propagationInterval = 50 * time.Millisecond
)

// readers are the processes that read the revocations: this one, the followers that it
// serves, and those that others have written to the store.
type readers struct {
	instance string       // of this process
	saved    atomic.Int64 // the latest sequence that this process has revoked

	mu      sync.Mutex
	own     map[readerKey]*reader
	read    int64 // the sequence up to which this process has read
	changed bool

	counting chan struct{} // holds an element while one counts, to whom the two that follow belong
	counted  time.Time
	count    count
}

type readerKey struct{ service, instance string }

// A reader is a follower of this process.
type reader struct {
	confirmed int64
	heardAt   time.Time
	streams   int
}

// A count is how far all readers are.
type count struct {
	all     []int64 // what each has confirmed, in order
	present []int64 // what each has confirmed that is there, in order
}

func newReaders() *readers {
	return &readers{instance: rand.Text(), own: make(map[readerKey]*reader), counting: make(chan struct{}, 1)}
}

// of returns a follower of this process, or nil if there are too many. r.mu must be held.
func (r *readers) of(service, instance string, now time.Time) *reader {
	key := readerKey{service, instance}
	follower := r.own[key]
	if follower == nil {
		if len(r.own) == maxReaders {
			return nil
		}
		follower = &reader{confirmed: -1}
		r.own[key] = follower
		r.changed = true
	}
	follower.heardAt = now
	return follower
}

// A databaseTime is what a database's clock has shown at a time of a clock that does not
// jump.
type databaseTime struct{ shown, at time.Time }

// readersNow returns the time of day by which it counts when a reader was last heard of. It
// is the database's, if it has one: servers whose clocks differ would forget each other's
// readers, and say that a revocation is in force everywhere when it is not.
func (l *Ledger) readersNow() time.Time {
	if database := l.databaseTime.Load(); database != nil {
		return database.shown.Add(time.Since(database.at)).Truncate(time.Microsecond)
	}
	return l.now()
}

// Followed notes that a follower has a stream, until left is called.
func (l *Ledger) Followed(service, instance string) (left func()) {
	r := l.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	follower := r.of(service, instance, l.readersNow())
	if follower == nil {
		return func() {}
	}
	follower.streams++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		follower.streams--
		follower.heardAt = l.readersNow()
	}
}

// Confirm notes that a follower refuses what was revoked up to a place.
func (l *Ledger) Confirm(service, instance string, place Place) {
	r := l.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	if follower := r.of(service, instance, l.readersNow()); follower != nil && follower.confirmed != place.Sequence {
		follower.confirmed = max(place.Sequence, 0)
		r.changed = true
	}
}

// progress notes how far this process has read.
func (r *readers) progress(sequence int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read, r.changed = sequence, true
}

// revoked notes what this process has revoked, which others are to confirm.
func (r *readers) revoked(sequence int64) {
	for before := r.saved.Load(); before < sequence && !r.saved.CompareAndSwap(before, sequence); before = r.saved.Load() {
	}
}

// restart forgets what was confirmed of another database.
func (r *readers) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved.Store(0)
	r.read, r.changed = 0, true
	for _, follower := range r.own {
		follower.confirmed = -1
	}
}

// list returns the readers that this process knows of itself, and forgets those that are
// gone.
func (r *readers) list(now time.Time) []store.Reader {
	all := []store.Reader{{InstanceID: r.instance, Confirmed: r.read, HeardAt: now}}
	for key, follower := range r.own {
		if follower.streams > 0 {
			follower.heardAt = now
		}
		if now.Sub(follower.heardAt) > forgetReaders {
			delete(r.own, key)
			continue
		}
		all = append(all, store.Reader{Service: key.service, InstanceID: key.instance, Confirmed: follower.confirmed, HeardAt: follower.heardAt})
	}
	return all
}

// keepReaders writes the readers for other processes, until the ledger is closed.
func (l *Ledger) keepReaders(ctx context.Context) {
	ticker := time.NewTicker(saveReadersInterval)
	defer ticker.Stop()
	var written time.Time
	failing := false
	for {
		select {
		case <-ticker.C:
		case <-l.closing:
			l.leave(ctx)
			return
		}
		l.probe(ctx)
		r, now := l.readers, l.readersNow()
		r.mu.Lock()
		due := r.changed || time.Since(written) >= readersHeartbeat
		var all []store.Reader
		if due {
			all, r.changed = r.list(now), false
		}
		r.mu.Unlock()
		if !due {
			continue
		}
		written = time.Now()
		if err := l.saveReaders(ctx, all, now.Add(-forgetReaders)); err != nil {
			if !failing {
				l.config.Log.WarnContext(ctx, "cannot write which followers there are; answers may not say how many have confirmed a revocation", "error", err)
			}
			failing = true
			continue
		}
		failing = false
	}
}

// leave writes that this process has stopped, so that it is not missing afterwards. If
// that fails, it counts until nothing was heard of it for long enough.
func (l *Ledger) leave(ctx context.Context) {
	now := l.readersNow()
	self := store.Reader{InstanceID: l.readers.instance, Confirmed: store.Stopped, HeardAt: now}
	if err := l.saveReaders(ctx, []store.Reader{self}, now.Add(-forgetReaders)); err != nil {
		l.config.Log.DebugContext(ctx, "cannot write that this server has stopped", "error", err)
	}
}

func (l *Ledger) saveReaders(ctx context.Context, all []store.Reader, forget time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return l.store.SaveReaders(ctx, all, forget)
}

// Propagation returns how many readers refuse all that this process has revoked or read by
// now, and how many there are. It waits up to a second for those that are there. It
// returns zeros if the store fails, or has not answered by then.
func (l *Ledger) Propagation(ctx context.Context) (confirmed, total int) {
	target := max(l.readers.saved.Load(), l.changes.place().Sequence)
	ctx, cancel := context.WithTimeout(ctx, propagationTimeout)
	defer cancel()
	again := time.NewTicker(propagationInterval)
	defer again.Stop()
	for {
		all, err := l.countReaders(ctx)
		if err != nil && ctx.Err() != nil {
			return confirmed, total
		}
		if err != nil {
			l.config.Log.WarnContext(ctx, "cannot count who has confirmed a revocation", "error", err)
			return 0, 0
		}
		confirmed, total = all.behind(target)
		if len(all.present) == 0 || all.present[0] >= target {
			return confirmed, total
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return confirmed, total
		case <-l.closing:
			return confirmed, total
		}
	}
}

// behind returns how many have confirmed a sequence, and how many there are.
func (c count) behind(sequence int64) (confirmed, total int) {
	at, _ := slices.BinarySearch(c.all, sequence)
	return len(c.all) - at, len(c.all)
}

// countReaders counts all readers, for all who ask within a moment.
func (l *Ledger) countReaders(ctx context.Context) (count, error) {
	r := l.readers
	select {
	case r.counting <- struct{}{}:
		defer func() { <-r.counting }()
	case <-ctx.Done():
		return count{}, ctx.Err()
	}
	if time.Since(r.counted) < propagationInterval/2 {
		return r.count, nil
	}
	kept, err := l.store.Readers(ctx)
	if err != nil {
		return count{}, err
	}
	kept = slices.DeleteFunc(kept, func(one store.Reader) bool { return one.Confirmed == store.Stopped })
	now := l.readersNow()
	r.mu.Lock()
	own := r.list(now)
	r.mu.Unlock()
	own[0].Confirmed = math.MaxInt64 // who revokes has done so here
	latest := make(map[readerKey]store.Reader, len(kept))
	for _, one := range slices.Concat(kept, own) {
		key := readerKey{one.Service, one.InstanceID}
		if before, known := latest[key]; (!known || !one.HeardAt.Before(before.HeardAt)) && now.Sub(one.HeardAt) <= forgetReaders {
			latest[key] = one
		}
	}
	r.count = count{}
	for _, one := range latest {
		r.count.all = append(r.count.all, one.Confirmed)
		if one.Confirmed >= 0 && now.Sub(one.HeardAt) <= readersGone {
			r.count.present = append(r.count.present, one.Confirmed)
		}
	}
	slices.Sort(r.count.all)
	slices.Sort(r.count.present)
	r.counted = time.Now()
	return r.count, nil
}
