// Package ledger is what the server remembers: the sessions that it has seen,
// and what was revoked.
//
//	db, err := ledger.OpenStore(ctx, ledger.StoreConfig{DataDir: ".ostiary"})
//	l, err := ledger.Open(ctx, db, ledger.Config{…})
//	guard := &auth.Guard{Revocations: l.RevokedList(), …}
//	l.See(identity, peer, userAgent) // for each admitted call
//
// One goroutine writes to the store in the background, and another reads what was revoked.
// Calls touch memory alone, except those that ask about sessions or revoke.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/outbox"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// flushInterval is how often the activity of sessions is written, and how
	// often the revocations of other processes on the same database are read.
	flushInterval = 500 * time.Millisecond
	// pruneInterval is how often expired rows are removed, pruneBatch at once.
	pruneInterval = time.Minute
	pruneBatch    = 5000
	// readAgainInterval is how often everything is read again at most.
	readAgainInterval = 5 * time.Second
	// writeTimeout bounds a write that its caller cannot cancel, and readTimeout a read.
	writeTimeout = 15 * time.Second
	readTimeout  = 15 * time.Second
	// answerRetention is how long the answer to a call is kept that may be retried.
	answerRetention = 24 * time.Hour
	// retryDelay is how long a caller should wait when the store fails.
	retryDelay = time.Second
	// BatchSize is how many rows are read, or imported, at once.
	BatchSize = 1000
)

// Config says how a Ledger decides what to keep. Every field is required, but Enders.
type Config struct {
	// Retention is how long a session is listed after it was last seen, and how
	// long one that was revoked is refused.
	Retention time.Duration
	// MaxLifetime is how long a token that is issued now can be accepted.
	MaxLifetime time.Duration
	// MaxIDBytes is how long an id in a token can be.
	MaxIDBytes int
	// Skews are the clock skews of the trusted issuers, by their URL.
	Skews map[string]time.Duration
	// MaxEvents is how many events of sessions are kept, for those who watch. Default: DefaultMaxEvents.
	MaxEvents int
	// Change is what followers get of a revocation.
	Change func(store.Revocation) *feedv1.Change
	// Enders end sessions at their issuers, by issuer, that have ended here. The ledger
	// closes them. They are also asked what has become of sessions, see Reconcile.
	Enders map[string]outbox.Ender
	// Now is the clock.
	Now func() time.Time
	// Log receives what goes wrong in the background, and each revocation.
	Log *slog.Logger
}

// A Ledger keeps sessions and revocations. Make one with [Open]; its methods may
// be called from any goroutine.
type Ledger struct {
	config   Config
	store    store.Store
	revoked  *revocation.List
	activity *activity
	reported *activity // of other services
	events   *Events
	changes  *changes
	readers  *readers
	outbox   *outbox.Outbox // nil where there are no Enders
	maxSkew  time.Duration  // of all issuers

	flushing chan struct{} // full during a flush, so that writes are in order
	expired  store.Session // the last whose expiry was noticed

	reading  sync.Mutex
	lastRead store.Revocation        // the last that was read
	epoch    [16]byte                // of the database that it is from
	readAt   time.Time               // when everything was read again
	ended    []revocation.Revocation // what was read, and there are no events of yet
	lost     bool                    // whether the database may lack what was read before

	condition  condition
	outages    chan time.Time // when the one began that issuers are to be asked about
	reconciler reconciler

	clock    clock     // by which is pruned
	lastTime time.Time // of the round before

	databaseTime atomic.Pointer[databaseTime] // nil where the database has no clock

	wake, wakeReading chan struct{}
	lacking           chan struct{}             // has an element when there is something to give back
	losses, givenBack atomic.Int64              // how often the database had lost something, and how often it has it back
	ahead             atomic.Pointer[time.Time] // when the log last said that readers know more

	closing chan struct{}
	running sync.WaitGroup
}

// Open takes over the store. It begins to remove what has expired since the
// store was last open, and reads every revocation before it returns, so that no
// revoked token is ever accepted. If it fails, it closes the store.
func Open(ctx context.Context, db store.Store, config Config) (*Ledger, error) {
	l := newLedger(db, config)
	more, err := l.start(ctx)
	if err != nil {
		_ = db.Close() // the first error is the one to mend
		return nil, err
	}
	if len(config.Enders) > 0 {
		l.outbox = outbox.Start(ctx, outbox.Config{Store: db, Enders: config.Enders, Ended: l.addSignedOut, Now: config.Now, Log: config.Log})
	}
	background := context.WithoutCancel(ctx)
	l.running.Go(func() { l.run(background, more) })
	l.running.Go(func() { l.keepReading(background) })
	l.running.Go(func() { l.keepGivingBack(background) })
	l.running.Go(func() { l.keepReaders(background) })
	return l, nil
}

// OpenIdle takes over the store and reads every revocation, and does nothing by itself: for
// a program that asks or revokes once, while servers use the database. If it fails, it
// closes the store.
func OpenIdle(ctx context.Context, db store.Store, config Config) (*Ledger, error) {
	l := newLedger(db, config)
	if err := l.ReadRevocations(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// start prunes and reads, and reports whether there is more to prune.
func (l *Ledger) start(ctx context.Context) (more bool, err error) {
	kept, err := l.store.Clock(ctx)
	if err != nil {
		return false, err
	}
	since := l.config.Now()
	if last := kept.Believed; !last.IsZero() && last.Before(since) {
		since = last // when a server last ran
	}
	l.hadOutage(since)
	more = l.prune(ctx)
	return more, l.ReadRevocations(ctx)
}

// newLedger returns a ledger that has read nothing and does nothing by itself.
func newLedger(db store.Store, config Config) *Ledger {
	l := &Ledger{
		config:      config,
		store:       db,
		condition:   condition{logged: make(map[string]time.Time)},
		epoch:       db.Epoch(),
		clock:       newClock(),
		lastTime:    config.Now(),
		revoked:     revocation.New(revocation.Config{Retention: config.MaxLifetime, Now: config.Now}),
		activity:    newActivity(maxRecent),
		reported:    newActivity(maxRecent),
		readers:     newReaders(),
		flushing:    make(chan struct{}, 1),
		wake:        make(chan struct{}, 1),
		wakeReading: make(chan struct{}, 1),
		lacking:     make(chan struct{}, 1),
		outages:     make(chan time.Time, 1),
		closing:     make(chan struct{}),
	}
	l.events = newEvents(cmp.Or(config.MaxEvents, DefaultMaxEvents), l.state)
	l.changes = newChanges(l.change, db.Concurrency())
	for _, skew := range config.Skews {
		l.maxSkew = max(l.maxSkew, skew)
	}
	l.expired.Token.ExpiresAt = config.Now().Add(-l.maxSkew)
	return l
}

// Epoch identifies the database.
func (l *Ledger) Epoch() [16]byte { return l.store.Epoch() }

// Events returns the events of sessions.
func (l *Ledger) Events() *Events { return l.events }

// now returns the time as it is kept, so that a later answer says the same.
func (l *Ledger) now() time.Time { return l.config.Now().Truncate(time.Microsecond) }

// run works until the ledger is closed. more says that there is more to prune at
// once.
func (l *Ledger) run(ctx context.Context, more bool) {
	flush, prune := time.NewTicker(flushInterval), time.NewTimer(pruneDelay(more))
	defer flush.Stop()
	defer prune.Stop()
	for {
		select {
		case <-flush.C:
		case <-l.wake:
		case <-prune.C:
			prune.Reset(pruneDelay(l.prune(ctx)))
		case <-l.closing:
			l.Flush(ctx)
			return
		}
		now := l.now()
		l.noticeStep(ctx, now)
		l.Flush(ctx)
		l.addExpired(ctx, now)
		l.addEnded(ctx)
	}
}

// keepReading reads revocations until the ledger is closed. It does nothing else, so that
// no write holds up what others have revoked.
func (l *Ledger) keepReading(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.wakeReading:
		case <-l.store.Hints():
		case <-l.closing:
			return
		}
		last := l.changes.place()
		if _ = l.ReadRevocations(ctx); l.changes.place() == last { // it has logged the error
			continue
		}
		select {
		case l.wake <- struct{}{}: // so that there are events of it
		default:
		}
	}
}

// Close writes what is still to be written, and closes the store. It must be
// called once.
func (l *Ledger) Close() error {
	l.reconciler.close()
	l.outbox.Close()
	close(l.closing)
	l.running.Wait()
	return l.store.Close()
}

// prune removes a batch of expired rows, and reports whether there are more. A batch
// bounds how long a revocation waits for it.
func (l *Ledger) prune(ctx context.Context) (more bool) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	by, ok, err := l.pruneTime(ctx)
	if err != nil {
		l.fails(ctx, writing, "cannot remove what has expired", err)
	}
	if !ok {
		return false
	}
	age := store.Age{SeenBefore: by.Add(-l.config.Retention), ExpiredBy: by, AnsweredBefore: by.Add(-answerRetention)}
	pruned, err := l.store.Prune(ctx, age, pruneBatch)
	if err != nil {
		l.fails(ctx, writing, "cannot remove what has expired", err)
		return false
	}
	events := make([]*Event, len(pruned.Sessions))
	for i, session := range pruned.Sessions {
		events[i] = &Event{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_REMOVED, Before: session, Time: l.now()}
	}
	l.events.add(events...)
	if len(pruned.Sessions) > 0 || pruned.Revocations > 0 || pruned.Answers > 0 || pruned.SignOuts > 0 {
		l.works(ctx, writing)
		l.config.Log.InfoContext(ctx, "removed what has expired", "sessions", len(pruned.Sessions), "revocations", pruned.Revocations, "answers", pruned.Answers, "sign_outs", pruned.SignOuts)
	}
	return max(int64(len(pruned.Sessions)), pruned.Revocations, pruned.Answers, pruned.SignOuts) == pruneBatch
}

func pruneDelay(more bool) time.Duration {
	if more {
		return flushInterval
	}
	return pruneInterval
}

// Unavailable is the answer to a caller where the store fails. Why it fails is
// for the log alone: that of the call, and each minute one of its own.
func (l *Ledger) Unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.logFailure(ctx, "the store fails", err)
	return rpcerror.New(errorv1.Reason_REASON_STORE_UNAVAILABLE, rpcerror.RetryAfter(retryDelay), rpcerror.Cause(err))
}
