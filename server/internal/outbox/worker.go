package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// atOnce is how many sessions are ended at once.
	atOnce = 8
	// lease is how long others leave to one process what it has claimed. An attempt is five
	// requests at most, each of which takes requestTimeout at most.
	lease = time.Minute
	// pollInterval is how often the store is looked into, and storeTimeout how long that
	// may take.
	pollInterval = time.Second
	storeTimeout = 10 * time.Second
	// A session is tried again after minBackoff, twice that, and so on, up to maxBackoff;
	// while nothing succeeds at an issuer, one session every maxProbe at least.
	minBackoff = time.Second
	maxBackoff = 10 * time.Minute
	maxProbe   = 30 * time.Second
	// credentialDelay is how long to wait after the issuer has refused the secret key.
	credentialDelay = 5 * time.Minute
	// A session that waits for warnAfter is warned of, and others after warnInterval.
	warnAfter    = time.Minute
	warnInterval = 5 * time.Minute
)

// A worker ends the sessions of one issuer.
type worker struct {
	store  store.Store
	issuer string
	ender  Ender
	ended  func(ctx context.Context, issuer, id string)
	now    func() time.Time
	log    *slog.Logger
	wake   chan struct{}

	attempts attempts

	failures int         // how many rounds in a row have ended nothing
	resume   time.Time   // the issuer is left alone until then
	resumes  atomic.Bool // but no longer
	warned   time.Time   // when the last warning was logged

	storeFailed time.Time // when it was last logged that the store fails
}

func newWorker(config Config, issuer string, ender Ender) *worker {
	return &worker{
		store: config.Store, issuer: issuer, ender: ender, ended: config.Ended, now: config.Now,
		log:  config.Log.With("issuer", issuer),
		wake: make(chan struct{}, 1),
	}
}

func (w *worker) run(ctx context.Context) {
	for {
		timer := time.NewTimer(w.round(ctx))
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// round ends some of the sessions that are due, and returns how long to wait for the next
// round. While the issuer fails, it tries one session.
func (w *worker) round(ctx context.Context) (delay time.Duration) {
	now := w.now()
	if w.resumes.Swap(false) {
		w.resume = time.Time{}
	}
	if wait := w.resume.Sub(now); wait > 0 {
		return min(wait, credentialDelay) // the clock may be set back
	}
	limit := atOnce
	if w.failures > 0 {
		limit = 1
	}
	claimed, err := w.claim(ctx, now, limit)
	if err != nil {
		if ctx.Err() == nil && now.Sub(w.storeFailed) >= warnAfter {
			w.storeFailed = now
			w.log.ErrorContext(ctx, "cannot look for sessions that are to be ended at their issuer", "error", err)
		}
		return storeTimeout
	}
	if len(claimed) == 0 {
		return pollInterval
	}
	w.settle(ctx, claimed, w.end(ctx, claimed))
	switch {
	case w.failures > 0:
		return backoff(w.failures, maxProbe)
	case len(claimed) == limit:
		return 0 // there may be more
	default:
		return pollInterval
	}
}

func (w *worker) claim(ctx context.Context, now time.Time, limit int) ([]store.SignOut, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return w.store.ClaimSignOuts(ctx, w.issuer, now, now.Add(lease), limit)
}

// end ends sessions, all at once, and returns the error of each.
func (w *worker) end(ctx context.Context, claimed []store.SignOut) []error {
	errs := make([]error, len(claimed))
	var wg sync.WaitGroup
	for i, s := range claimed {
		wg.Go(func() { errs[i] = w.ender.EndSession(ctx, Session{ID: s.SessionID, Subject: s.Subject}) })
	}
	wg.Wait()
	return errs
}

// settle keeps what became of sessions, and logs it.
func (w *worker) settle(ctx context.Context, claimed []store.SignOut, errs []error) {
	now := w.now()
	var ended int
	var waited time.Duration // of those that have ended, the longest
	var credential, failed error
	var failedFor time.Duration // the longest
	for i, s := range claimed {
		err := errs[i]
		switch {
		case err == nil:
			ended++
			w.attempts.ended.Add(1)
			waited = max(waited, now.Sub(s.CreatedAt))
		case ctx.Err() != nil: // not the issuer's fault
		case errors.Is(err, ErrRefused):
			w.attempts.refused.Add(1)
			w.log.ErrorContext(ctx, "the issuer refuses to end a session that has ended here; it is not tried again", "session", s.SessionID, "error", err,
				"remedy", "end it in the issuer's dashboard, or mend the cause and revoke it again")
		case errors.Is(err, ErrCredential):
			w.attempts.failed.Add(1)
			credential = err
		default:
			w.attempts.failed.Add(1)
			failed, failedFor = err, max(failedFor, now.Sub(s.CreatedAt))
		}
		w.pause(now, err)
		w.save(ctx, s, w.after(ctx, s, now, err))
		if err == nil && w.ended != nil {
			w.ended(ctx, w.issuer, s.SessionID)
		}
	}
	switch {
	case ended > 0:
		w.failures, w.warned = 0, time.Time{}
		w.log.InfoContext(ctx, "ended sessions at their issuer", "count", ended, "longest_wait", waited.Round(time.Millisecond))
	case credential != nil || failed != nil:
		w.failures++
	}
	if credential != nil {
		w.log.ErrorContext(ctx, "the issuer refuses the secret key, so that sessions which have ended here go on there", "pending", w.pending(ctx), "error", credential,
			"remedy", "set secret_key to a key of the instance of this issuer, and reload (SIGHUP); it is tried again every "+credentialDelay.String())
	}
	if failed != nil && failedFor >= warnAfter && now.Sub(w.warned) >= warnInterval {
		w.warned = now
		w.log.WarnContext(ctx, "sessions that have ended here cannot be ended at their issuer yet; it is tried again", "pending", w.pending(ctx),
			"longest_wait", failedFor.Round(time.Second), "error", failed)
	}
}

// after returns what becomes of a session after an attempt.
func (w *worker) after(ctx context.Context, s store.SignOut, now time.Time, err error) store.SignOut {
	var retry *RetryAfterError
	switch {
	case err == nil:
		s.DueAt, s.EndedAt = time.Time{}, now
	case ctx.Err() != nil, errors.Is(err, ErrCredential):
		s.DueAt = now // for others, and for this process when it may
	case errors.Is(err, ErrRefused):
		s.DueAt = time.Time{}
	default:
		s.Failures++
		delay := backoff(s.Failures, maxBackoff)
		if errors.As(err, &retry) {
			delay = max(delay, retry.Delay)
		}
		s.DueAt = now.Add(delay)
	}
	return s
}

// pause leaves the issuer alone where it asks for that.
func (w *worker) pause(now time.Time, err error) {
	var retry *RetryAfterError
	var delay time.Duration
	switch {
	case errors.Is(err, ErrCredential):
		delay = credentialDelay
	case errors.As(err, &retry):
		delay = retry.Delay
	default:
		return
	}
	if resume := now.Add(delay); resume.After(w.resume) {
		w.resume = resume
	}
}

// save keeps a result also if the outbox is being closed. If it cannot, the attempt is made
// once more when the claim has ended.
func (w *worker) save(ctx context.Context, claimed, after store.SignOut) {
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := w.store.SaveSignOut(uncut, claimed, after); err != nil {
		w.log.ErrorContext(ctx, "cannot keep what became of a session at its issuer; it is asked again", "error", err)
	}
}

// pending returns how many sessions are still to be ended, or -1 if the store cannot say.
func (w *worker) pending(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	n, err := w.store.PendingSignOuts(ctx, w.issuer)
	if err != nil {
		return -1
	}
	return n
}

// backoff returns the delay after a number of failures: half of it is random, so that
// what failed together is not tried together.
func backoff(failures int, longest time.Duration) time.Duration {
	delay := min(minBackoff<<min(failures-1, 20), longest)
	return delay/2 + rand.N(delay/2+1) //nolint:gosec // nobody gains from guessing it
}
