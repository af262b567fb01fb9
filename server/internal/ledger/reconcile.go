package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/outbox"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// reconcileSource is the source of what an issuer has said when it was asked.
	reconcileSource = "clerk-api"
	// maxReconciled is about how many sessions an issuer is asked after an outage.
	maxReconciled = 1000
	// An issuer that does not answer is asked reconcileTries times, after retryDelay, twice
	// that, and so on, up to maxReconcileDelay: for some four minutes. What was missed is
	// then bounded by the lifetime of the tokens alone.
	reconcileTries    = 10
	maxReconcileDelay = time.Minute
)

// A Reconciliation is what an issuer has said, after an outage, of the sessions that were
// open when it began.
type Reconciliation struct {
	Issuer     string
	Since      time.Time // when the outage began
	FinishedAt time.Time
	Open       int // how many sessions were open, and not revoked here
	Ended      int // of those, how many had ended at the issuer, and are revoked now
	Unknown    int // of how many the issuer has said nothing, or was not asked
}

// A reconciler asks the issuers. The zero value asks none.
type reconciler struct {
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	last map[string]Reconciliation // by issuer
}

func (r *reconciler) close() {
	if r.cancel != nil {
		r.cancel()
		r.running.Wait()
	}
}

func (r *reconciler) keep(result Reconciliation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = make(map[string]Reconciliation)
	}
	r.last[result.Issuer] = result
}

// hadOutage says that messages of issuers may have been missed since a time: nobody was
// there to receive them, or they could not be kept.
func (l *Ledger) hadOutage(since time.Time) {
	select {
	case l.outages <- since:
	default: // one that began earlier is still to be asked about
	}
}

// Reconcile asks issuers about the sessions that were open when an outage began, and revokes
// those that have ended: at once, for the time before the start, and later whenever the
// store works again after it did not. It returns at once. Issuers without an Ender are
// not asked. It can be called once, and not after Close.
func (l *Ledger) Reconcile(issuers ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	l.reconciler.cancel = cancel
	l.reconciler.running.Go(func() {
		for {
			select {
			case since := <-l.outages:
				var asking sync.WaitGroup
				for _, issuer := range issuers {
					if l.EndsAtIssuer(issuer) {
						asking.Go(func() { l.reconcile(ctx, issuer, since) })
					}
				}
				asking.Wait()
			case <-ctx.Done():
				return
			}
		}
	})
}

// Reconciliations returns the last one of each issuer that was asked, by the issuer.
func (l *Ledger) Reconciliations() []Reconciliation {
	l.reconciler.mu.Lock()
	defer l.reconciler.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.reconciler.last), func(a, b Reconciliation) int { return strings.Compare(a.Issuer, b.Issuer) })
}

// reconcile asks an issuer once about each session that was open at a time.
func (l *Ledger) reconcile(ctx context.Context, issuer string, since time.Time) {
	open, left, err := l.openSince(ctx, issuer, since)
	for err != nil {
		if ctx.Err() == nil {
			l.logFailure(ctx, "cannot find the sessions that an issuer is to be asked about after an outage; it is tried again", err)
		}
		if !pause(ctx, retryDelay) {
			return
		}
		open, left, err = l.openSince(ctx, issuer, since)
	}
	result := Reconciliation{Issuer: issuer, Since: since, Open: len(open) + left, Unknown: left}
	var failed error // the last time that there was no answer
	for i, s := range open {
		if l.revokedForGood(s) { // by now
			continue
		}
		ended, err := l.askUntilAnswered(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if ended {
			result.Ended++
		}
		if err == nil {
			continue
		}
		failed = err
		if !errors.Is(err, outbox.ErrRefused) { // not about this session alone
			result.Unknown += len(open) - i
			break
		}
		result.Unknown++
	}
	result.FinishedAt = l.now()
	l.reconciler.keep(result)

	log := l.config.Log.With("issuer", issuer, "since", since, "open", result.Open, "ended", result.Ended, "unknown", result.Unknown)
	if failed != nil || left > 0 {
		log.WarnContext(ctx, "the issuer has not said of all sessions whether they ended during the outage; their tokens are accepted until they expire", "error", failed)
		return
	}
	log.InfoContext(ctx, "the issuer has said which sessions ended during the outage")
}

// openSince returns the sessions of an issuer whose newest token was good at a time or later,
// and that are not revoked: those first whose token is good for the longest. Of more than
// maxReconciled it returns how many are left out.
func (l *Ledger) openSince(ctx context.Context, issuer string, at time.Time) (open []store.Session, left int, err error) {
	l.Flush(ctx)
	never := l.config.Now().AddDate(100, 0, 0)
	after := store.Session{Token: store.Token{ExpiresAt: at.Add(-l.config.Skews[issuer])}}
	for {
		page, err := l.openPage(ctx, after, never)
		if err != nil {
			return nil, 0, err
		}
		for _, s := range page {
			if s.Issuer == issuer && !l.revokedForGood(s) {
				open = append(open, s)
			}
		}
		if more := len(open) - maxReconciled; more > 0 {
			open = slices.Delete(open, 0, more)
			left += more
		}
		if len(page) < BatchSize {
			slices.Reverse(open)
			return open, left, nil
		}
		after = page[len(page)-1]
	}
}

func (l *Ledger) openPage(ctx context.Context, after store.Session, until time.Time) ([]store.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return l.store.Expired(ctx, after, until, BatchSize)
}

// askUntilAnswered is ask, and tries again what may succeed later.
func (l *Ledger) askUntilAnswered(ctx context.Context, s store.Session) (ended bool, err error) {
	for tries, delay := 1, retryDelay; ; tries, delay = tries+1, min(2*delay, maxReconcileDelay) {
		ended, err = l.ask(ctx, s)
		if err == nil || errors.Is(err, outbox.ErrRefused) || errors.Is(err, outbox.ErrCredential) || tries == reconcileTries {
			return ended, err
		}
		wait := delay
		if retry := new(outbox.RetryAfterError); errors.As(err, &retry) {
			wait = max(wait, retry.Delay)
		}
		if !pause(ctx, wait) {
			return false, ctx.Err()
		}
	}
}

// ask asks the issuer of a session about it, and revokes it if it has ended there.
func (l *Ledger) ask(ctx context.Context, s store.Session) (ended bool, err error) {
	status, ended, err := l.config.Enders[s.Issuer].SessionStatus(ctx, outbox.Session{ID: s.ID, Subject: s.Subject})
	if err != nil || !ended {
		return false, err
	}
	// As a webhook about the session would, which may still come.
	r := revocation.Revocation{Kind: revocation.TargetSession, Issuer: s.Issuer, ID: s.ID}
	if err := l.Signal(ctx, store.Signal{Source: reconcileSource, Issuer: s.Issuer, Type: status}, r); err != nil {
		return false, fmt.Errorf("revoke a session that has ended at its issuer: %w", err)
	}
	return true, nil
}

// pause waits, and reports whether it has.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
