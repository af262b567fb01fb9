// Package outbox ends sessions at their issuers that were ended here.
//
//	clerk := outbox.NewClerk(outbox.ClerkConfig{SecretKey: key})
//	box := outbox.Start(ctx, outbox.Config{Store: db, Enders: map[string]outbox.Ender{issuer: clerk}, …})
//	defer box.Close()
//	db.SaveRevocations(ctx, revocations, answer, signOuts...)
//	box.Wake()
//
// A request to end a session is in the store from the transaction of its revocation on,
// and stays there until the issuer has done it. Servers that share the database share the
// work: each claims some for a while, and if it dies, others do them.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// An Ender ends sessions at one issuer, and says which have ended there. Its methods may be called from any goroutine.
type Ender interface {
	// EndSession ends a session. It returns nil also if the session has ended before, or is
	// not known any more. So it may be called again.
	//
	// Errors: ErrRefused, ErrCredential, and others, after which it may be tried again; a
	// *RetryAfterError says when.
	EndSession(ctx context.Context, session Session) error
	// SessionStatus returns what the issuer says of a session, in its own words, and whether
	// it has ended there: no token of it is issued any more. It waits for its turn, so that
	// most of what the issuer answers in a time is left to others.
	//
	// Errors: those of EndSession.
	SessionStatus(ctx context.Context, session Session) (status string, ended bool, err error)
	// Close closes idle connections.
	Close()
}

// A Session is one at an issuer.
type Session struct {
	ID string
	// Subject is whose it must be. That of another is refused: issuers may let users choose
	// which session their tokens name. Empty means anybody's.
	Subject string
}

// The errors of an Ender. Check with errors.Is.
var (
	// ErrRefused means that the issuer refuses what was asked of this session.
	ErrRefused = errors.New("the issuer refuses it for this session")
	// ErrCredential means that the issuer refuses the server's secret key, for this and
	// every other session.
	ErrCredential = errors.New("the issuer refuses the secret key")
)

// A RetryAfterError means that the issuer asks to wait, with every session.
type RetryAfterError struct {
	Delay time.Duration
	Err   error
}

func (e *RetryAfterError) Error() string { return e.Err.Error() }

func (e *RetryAfterError) Unwrap() error { return e.Err }

// Config says what to end where. Every field is required, but Ended.
type Config struct {
	Store  store.Store
	Enders map[string]Ender // by issuer
	// Ended, if it is not nil, is called from any goroutine when a session has ended at its
	// issuer.
	Ended func(ctx context.Context, issuer, id string)
	// Now is the clock, which is compared with that of other servers.
	Now func() time.Time
	// Log receives what was ended, and what cannot be. No line has a secret key.
	Log *slog.Logger
}

// An Outbox works off what the store has. Its methods may be called from any goroutine. A
// nil Outbox does nothing.
type Outbox struct {
	workers map[string]*worker
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Start begins to work, with one goroutine for each issuer and more while there is
// something to do. Close ends them; that of the context does not.
func Start(ctx context.Context, config Config) *Outbox {
	o := &Outbox{workers: make(map[string]*worker, len(config.Enders))}
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx))
	for issuer, ender := range config.Enders {
		w := newWorker(config, issuer, ender)
		o.workers[issuer] = w
		o.done.Go(func() { w.run(ctx) })
	}
	return o
}

// Wake has the store looked into at once, where otherwise that is done every second.
func (o *Outbox) Wake() {
	if o == nil {
		return
	}
	for _, w := range o.workers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Resume has an issuer asked again at once that is left alone for a while, such as when its secret key is
// another.
func (o *Outbox) Resume(issuer string) {
	if o == nil || o.workers[issuer] == nil {
		return
	}
	o.workers[issuer].resumes.Store(true)
	o.Wake()
}

// Close stops, in the middle of what it does: others, or the next process, do that again.
func (o *Outbox) Close() {
	if o == nil {
		return
	}
	o.stop()
	o.done.Wait()
	for _, w := range o.workers {
		w.ender.Close()
	}
}
