package jwks

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// How quickly a failing issuer is asked again. firstRetry doubles up to the
// patience; and a fetch that has not answered by then is not waited for: another
// one starts beside it, so that a hanging connection does not delay the recovery.
const (
	firstRetry       = 100 * time.Millisecond
	patienceUnready  = 800 * time.Millisecond
	patienceWithKeys = 1500 * time.Millisecond
)

// refresh is what a Remote knows of its fetches. Remote.mu guards it.
type refresh struct {
	timer       *time.Timer // when it fires, the next fetch starts
	next        time.Time   // when that will be
	flying      []*fetch    // those under way, oldest first
	started     int         // number of the last that was started
	succeeded   int         // number of the last that brought keys
	failures    int         // since then
	lastError   error       // nil when failures is 0
	lastAttempt time.Time
	lastOnToken time.Time // when an unknown kid last caused one
}

// A fetch is one attempt at the key set, shared by all who wait for it.
type fetch struct {
	number int
	sentAt time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when its outcome can be seen
}

// keepFresh starts a fetch whenever the timer says so.
func (r *Remote) keepFresh() {
	for {
		select {
		case <-r.ctx.Done():
			r.refresh.timer.Stop()
			return
		case <-r.refresh.timer.C:
			r.mu.Lock()
			r.start()
			r.mu.Unlock()
		}
	}
}

// fetchFor returns the fetch that can still help a caller whose kid is not
// known, and whether it was started for this caller; or nil when the caller is to
// be answered at once.
//
// Callers join a fetch that is under way only while all is well: an issuer that
// fails may hang, and would gather callers without end. Otherwise, one caller per
// cool-down starts a fetch of its own; but not while there are no keys and
// retries come quicker than that anyway, and not for a token without a kid, which
// names nothing that a newer set could have.
func (r *Remote) fetchFor(kid string) (f *fetch, own bool) {
	ready := r.Ready()
	if ready && kid == "" {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refresh.failures == 0 && len(r.refresh.flying) > 0 {
		return r.refresh.flying[len(r.refresh.flying)-1], false
	}
	now := r.config.Now()
	if r.refresh.failures > 0 && !ready || now.Sub(r.refresh.lastOnToken) < r.config.Cooldown {
		return nil, false
	}
	r.refresh.lastOnToken = now
	return r.start(), true
}

// start starts a fetch, or returns nil when the set is closed. r.mu must be held.
func (r *Remote) start() *fetch {
	if r.ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.config.FetchTimeout)
	now := r.config.Now()
	r.refresh.started++
	f := &fetch{number: r.refresh.started, sentAt: now, cancel: cancel, done: make(chan struct{})}
	r.refresh.flying = append(r.refresh.flying, f)
	r.refresh.lastAttempt = now
	r.schedule(r.patience())
	r.running.Go(func() {
		defer cancel()
		r.run(ctx, f)
	})
	return f
}

// run makes the fetch and has its outcome seen, in this order: the keys, then
// those who wait, then the snapshot.
func (r *Remote) run(ctx context.Context, f *fetch) {
	answer, err := r.fetcher.fetch(ctx, r.current.Load())
	renewed := r.settle(f, answer, err)
	close(f.done)
	if renewed != nil {
		r.saveSnapshot(renewed)
	}
}

// settle takes the outcome of a fetch in, and returns the generation that it
// brought. The answer to an older request than the one that is in place is no
// news, good or bad.
func (r *Remote) settle(f *fetch, answer answer, err error) *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh.flying = slices.DeleteFunc(r.refresh.flying, func(other *fetch) bool { return other == f })
	if f.number < r.refresh.succeeded || r.ctx.Err() != nil {
		return nil
	}
	if err != nil {
		r.failed(f, err)
		return nil
	}
	renewed := r.publish(answer.document, f.sentAt)
	r.succeeded(f)
	r.schedule(r.untilRefresh(answer.maxAge))
	return renewed
}

func (r *Remote) failed(f *fetch, err error) {
	r.refresh.failures++
	r.refresh.lastError = err
	if r.refresh.failures == 1 {
		r.config.Logger.Warn("fetching the key set fails", "source", r.config.source(), "error", err, "ready", r.Ready())
	}
	if f.number == r.refresh.started {
		r.schedule(r.backOff())
	}
}

// succeeded ends the older fetches, so that nobody waits for them.
func (r *Remote) succeeded(f *fetch) {
	if r.refresh.failures > 0 {
		r.config.Logger.Info("fetching the key set succeeds again", "source", r.config.source(), "failures", r.refresh.failures)
	}
	r.refresh.failures, r.refresh.lastError, r.refresh.succeeded = 0, nil, f.number
	for _, other := range r.refresh.flying {
		if other.number < f.number {
			other.cancel()
		}
	}
}

func (r *Remote) schedule(delay time.Duration) {
	r.refresh.timer.Reset(delay)
	r.refresh.next = r.config.Now().Add(delay)
}

func (r *Remote) patience() time.Duration {
	if r.Ready() {
		return patienceWithKeys
	}
	return patienceUnready
}

// backOff doubles with each failure. Up to half is taken off at random, so that a
// fleet does not come back in step.
func (r *Remote) backOff() time.Duration {
	delay := r.patience()
	if doublings := r.refresh.failures - 1; doublings < 4 {
		delay = min(delay, firstRetry<<doublings)
	}
	return delay/2 + rand.N(delay/2) //nolint:gosec // jitter, not a secret
}

// untilRefresh is ahead of the moment when the answer goes out of date, by 5 to
// 20 %.
func (r *Remote) untilRefresh(maxAge time.Duration) time.Duration {
	fresh := min(max(maxAge, r.config.MinRefresh), r.config.MaxRefresh)
	return fresh*4/5 + rand.N(fresh*3/20+1) //nolint:gosec // jitter, not a secret
}
