package jwks

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"
)

// How quickly a failing issuer is asked again. firstRetry doubles up to the
// patience; and a refresh that has not answered by then is not waited for:
// another one starts beside it, so that a hanging connection does not delay the
// recovery. The first of all has longer, so that a slow issuer is not asked twice
// by each server of a fleet that starts.
const (
	firstRetry       = 100 * time.Millisecond
	patienceAtStart  = 2200 * time.Millisecond
	patienceUnready  = 800 * time.Millisecond
	patienceWithKeys = 1500 * time.Millisecond
)

// refresh is what a Remote knows of its fetches. Remote.mu guards it.
type refresh struct {
	timer       *time.Timer   // when it fires, the next refresh starts
	next        time.Time     // when that will be
	flying      []*fetch      // those under way, oldest first
	settled     chan struct{} // closed, and replaced, whenever one of them is over
	started     int           // number of the last that was started
	succeeded   int           // number of the last that brought keys
	failures    int           // since then
	lastError   error         // nil when failures is 0
	lastAttempt time.Time
	onToken     bucket        // bounds those that unknown keys cause
	notes       []slog.Record // that the Logger has yet to be told
}

// A fetch is one attempt at the key set, shared by all who wait for it.
type fetch struct {
	number int
	sentAt time.Time
	cancel context.CancelFunc
}

// keepFresh refreshes the keys whenever the timer says so.
func (r *Remote) keepFresh() {
	for {
		select {
		case <-r.ctx.Done():
			r.refresh.timer.Stop()
			return
		case <-r.refresh.timer.C:
			r.mu.Lock()
			r.renew()
			r.mu.Unlock()
		}
	}
}

// renew starts a fetch, and has another one follow in case it hangs. A fetch that
// a token caused has none follow, so that tokens cannot multiply them. r.mu must
// be held.
func (r *Remote) renew() {
	r.start()
	r.schedule(r.patience())
}

// start starts a fetch, or returns nil when the set is closed. r.mu must be held.
func (r *Remote) start() *fetch {
	if r.ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.config.FetchTimeout)
	now := r.config.Now()
	r.refresh.started++
	f := &fetch{number: r.refresh.started, sentAt: now, cancel: cancel}
	r.refresh.flying = append(r.refresh.flying, f)
	r.refresh.lastAttempt = now
	r.running.Go(func() {
		defer cancel()
		r.run(ctx, f)
	})
	return f
}

// run makes the fetch and has its outcome seen, first by those who wait for it.
func (r *Remote) run(ctx context.Context, f *fetch) {
	answer, err := r.config.fetch(ctx, r.current.Load())
	renewed := r.settle(f, answer, err)
	if renewed != nil && renewed.changed {
		r.watchers.notify()
	}
	r.tell() //nolint:contextcheck // whatever became of the fetch
	if renewed != nil {
		r.saveSnapshot(renewed)
	}
}

// settle takes the outcome of a fetch in, wakes all who wait, and returns the
// generation that it brought. The answer to an older request than the one that is
// in place is no news, good or bad.
func (r *Remote) settle(f *fetch, answer answer, err error) *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh.flying = slices.DeleteFunc(r.refresh.flying, func(other *fetch) bool { return other == f })
	close(r.refresh.settled) // nobody looks before r.mu is free
	r.refresh.settled = make(chan struct{})
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
		r.note(slog.LevelWarn, "fetching the key set fails", "error", err, "ready", r.Ready())
	}
	if f.number == r.refresh.started {
		r.schedule(r.backOff())
	}
}

// succeeded ends the older fetches, so that nobody waits for them.
func (r *Remote) succeeded(f *fetch) {
	if r.refresh.failures > 0 {
		r.note(slog.LevelInfo, "fetching the key set succeeds again", "failures", r.refresh.failures)
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
	switch {
	case r.Ready():
		return patienceWithKeys
	case r.refresh.started == 1:
		return patienceAtStart
	default:
		return patienceUnready
	}
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
