package jwks

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"
)

// When to try again. After a failure the delay doubles from firstRetry up to one of
// the slow… limits. A refresh that takes longer than that limit is slow, and another
// one starts beside it, so that a hanging connection does not delay the recovery.
// The very first refresh has more time, so that a fleet that starts does not ask a
// slow issuer twice.
//
// The limit grows with the outage, up to slowAway: it is a tenth of the time for which
// fetches have failed. So an issuer that stays away is asked less and less often, and
// waiting for the next fetch makes no outage longer by more than a tenth.
const (
	firstRetry   = 100 * time.Millisecond
	slowAtStart  = 2200 * time.Millisecond
	slowUnready  = 800 * time.Millisecond
	slowWithKeys = 1500 * time.Millisecond
	slowAway     = 30 * time.Second
)

// logInterval is how often another error of the same outage is logged at most.
const logInterval = time.Minute

// varying matches what differs between the errors of fetches that fail alike: the port
// of this side, and the time in the error about an expired certificate.
var varying = regexp.MustCompile(`:\d+->|current time \S+`)

// refresh is the state of the fetches of a Remote. Remote.mu guards it.
type refresh struct {
	timer       *time.Timer   // when it fires, the next refresh starts
	next        time.Time     // when that will be
	inFlight    []*fetch      // those under way, oldest first
	finished    chan struct{} // closed, and replaced, whenever one of them ends
	started     int           // number of the last that was started
	succeeded   int           // number of the last that brought keys
	failures    int           // since then
	failed      int           // of all
	successes   int           // of all
	unknown     int64         // lookups of keys that there are not
	lastAttempt time.Time
	onToken     bucket        // bounds those that unknown keys cause
	logQueue    []slog.Record // lines that are not logged yet

	// Of the outage; zero when failures is 0.
	lastError    error
	failingSince time.Time // when the first fetch that failed had started
	logged       string    // the error that was logged last, without what varies
	loggedAt     time.Time
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
			r.refreshNow()
			r.mu.Unlock()
		}
	}
}

// refreshNow starts a fetch and schedules another one in case it hangs. A fetch for
// a token does not schedule one, so that tokens cannot multiply fetches. r.mu must
// be held.
func (r *Remote) refreshNow() {
	r.start()
	r.schedule(r.slowAfter())
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
	r.refresh.inFlight = append(r.refresh.inFlight, f)
	r.refresh.lastAttempt = now
	r.running.Go(func() {
		defer cancel()
		r.run(ctx, f)
	})
	return f
}

// run fetches, and reports the result: first to the waiting callers.
func (r *Remote) run(ctx context.Context, f *fetch) {
	answer, err := r.config.fetch(ctx, r.current.Load())
	renewed := r.finish(f, answer, err)
	if renewed != nil && renewed.changed {
		r.notifyWatchers()
	}
	r.writeLog() //nolint:contextcheck // whatever became of the fetch
	if renewed != nil {
		r.saveSnapshot(renewed)
	}
}

// finish applies the result of a fetch, wakes all waiting callers, and returns the
// new generation, or nil. It ignores the result of a fetch that is older than the one
// in use.
func (r *Remote) finish(f *fetch, answer answer, err error) *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh.inFlight = slices.DeleteFunc(r.refresh.inFlight, func(other *fetch) bool { return other == f })
	close(r.refresh.finished) // callers look only once r.mu is free
	r.refresh.finished = make(chan struct{})
	if f.number < r.refresh.succeeded || r.ctx.Err() != nil {
		return nil
	}
	if err != nil {
		r.failed(f, err)
		return nil
	}
	r.ahead.Store(int64(answer.ahead))
	renewed := r.publish(answer.document, f.sentAt)
	r.succeeded(f)
	r.schedule(r.untilRefresh(answer.maxAge))
	return renewed
}

func (r *Remote) failed(f *fetch, err error) {
	if r.refresh.failures == 0 {
		r.refresh.failingSince = f.sentAt
	}
	r.refresh.failures++
	r.refresh.failed++
	r.refresh.lastError = err
	r.logFailure(err)
	if f.number == r.refresh.started {
		r.schedule(r.backOff())
	}
}

// logFailure logs the first error of an outage, and each that differs from the one
// logged last, if that was not just now: errors may alternate.
func (r *Remote) logFailure(err error) {
	what, now := varying.ReplaceAllString(err.Error(), ""), r.config.Now()
	if r.refresh.failures > 1 && (what == r.refresh.logged || now.Sub(r.refresh.loggedAt) < logInterval) {
		return
	}
	r.refresh.logged, r.refresh.loggedAt = what, now
	r.queueLog(slog.LevelWarn, "fetching the key set fails", "error", err, "ready", r.Ready(),
		"failures", r.refresh.failures, "since", r.refresh.failingSince)
}

// succeeded ends the older fetches, so that nobody waits for them.
func (r *Remote) succeeded(f *fetch) {
	if r.refresh.failures > 0 {
		r.queueLog(slog.LevelInfo, "fetching the key set succeeds again", "failures", r.refresh.failures, "since", r.refresh.failingSince)
	}
	r.refresh.successes++
	r.refresh.failures, r.refresh.lastError, r.refresh.succeeded = 0, nil, f.number
	r.refresh.failingSince, r.refresh.logged, r.refresh.loggedAt = time.Time{}, "", time.Time{}
	for _, other := range r.refresh.inFlight {
		if other.number < f.number {
			other.cancel()
		}
	}
}

func (r *Remote) schedule(delay time.Duration) {
	r.refresh.timer.Reset(delay)
	r.refresh.next = r.config.Now().Add(delay)
}

func (r *Remote) slowAfter() time.Duration {
	limit := slowUnready
	switch {
	case r.Ready():
		limit = slowWithKeys
	case r.refresh.started == 1:
		limit = slowAtStart
	}
	if r.refresh.failures == 0 {
		return limit
	}
	away := r.config.Now().Sub(r.refresh.failingSince)
	return max(limit, min(away/10, slowAway))
}

// backOff doubles with each failure. Up to half is taken off at random, so that a
// fleet does not come back in step.
func (r *Remote) backOff() time.Duration {
	delay := r.slowAfter()
	if doublings := r.refresh.failures - 1; doublings < 4 {
		delay = min(delay, firstRetry<<doublings)
	}
	return delay/2 + rand.N(delay/2) //nolint:gosec // jitter, not a secret
}

// untilRefresh returns when to refresh: 5 to 20 % before the answer expires.
func (r *Remote) untilRefresh(maxAge time.Duration) time.Duration {
	fresh := min(max(maxAge, r.config.MinRefresh), r.config.MaxRefresh)
	return fresh*4/5 + rand.N(fresh*3/20+1) //nolint:gosec // jitter, not a secret
}
