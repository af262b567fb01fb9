package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxStep is how far the time of day may be from what is expected to be believed at
	// once, and believedAfter how long servers must have run to believe it anyway.
	maxStep       = 24 * time.Hour
	believedAfter = 24 * time.Hour
	// maxDifference is how far the clocks of this machine and of the database may differ,
	// and holdBack how much longer everything is kept while they differ more.
	maxDifference = time.Minute
	holdBack      = 24 * time.Hour
	// saveClockInterval is how often the time of day is saved at most.
	saveClockInterval = 30 * time.Second
)

// A clock doubts a time of day that is far from what is expected: that of a machine that
// woke up, or whose clock is wrong. What is removed by it would not come back when it is
// set right. It is for one goroutine.
type clock struct {
	elapsed func() time.Duration // since the start, by a clock that does not jump

	believed time.Time     // a time of day,
	at       time.Duration // and when that was

	doubting bool
	since    time.Duration
	before   store.Clock // what was kept then

	saved   time.Duration
	differs bool // from the database's
}

func newClock() clock {
	start := time.Now()
	return clock{elapsed: func() time.Duration { return time.Since(start) }, saved: -saveClockInterval}
}

// judge returns what to keep now, whether the time of day is believed, and what was
// expected. It believes what other servers believe.
func (c *clock) judge(now time.Time, kept store.Clock) (after store.Clock, believed bool, expected time.Time) {
	elapsed := c.elapsed()
	expected = kept.Believed
	if own := c.believed.Add(elapsed - c.at); !c.believed.IsZero() && own.After(expected) {
		expected = own
	}
	if !expected.IsZero() && now.Sub(expected).Abs() > maxStep {
		if !c.doubting || !kept.Believed.Equal(c.before.Believed) {
			c.doubting, c.since, c.before = true, elapsed, kept
		}
		after = store.Clock{Believed: kept.Believed, Doubted: c.before.Doubted + elapsed - c.since}
		if after.Doubted < believedAfter {
			return after, false, expected
		}
	}
	c.believed, c.at, c.doubting = now, elapsed, false
	return store.Clock{Believed: now}, true, expected
}

// pruneTime returns the time by which to remove what has expired, if there is one.
func (l *Ledger) pruneTime(ctx context.Context) (by time.Time, ok bool, err error) {
	c := &l.clock
	kept, err := l.store.Clock(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	if !kept.Now.IsZero() {
		l.databaseTime.Store(&databaseTime{shown: kept.Now, at: time.Now()})
	}
	by = l.now()
	differs := !kept.Now.IsZero() && by.Sub(kept.Now).Abs() > maxDifference
	if differs && !c.differs {
		l.config.Log.WarnContext(ctx, "the clocks of this machine and of the database differ; what has expired is removed a day after the earlier one says so",
			"now", by, "database", kept.Now, "remedy", "correct the one that is wrong")
	}
	if c.differs = differs; differs {
		if kept.Now.Before(by) {
			by = kept.Now
		}
	}
	doubting := c.doubting
	after, believed, expected := c.judge(by, kept)
	if !believed && !doubting {
		l.config.Log.WarnContext(ctx, "the clock is far from what it was when it was last believed, here or at another server; nothing is removed for now", "now", by, "expected", expected,
			"remedy", fmt.Sprintf("correct the clock if it is wrong; if it is right, do nothing: it is believed when servers have run with it for %v", believedAfter))
	}
	if elapsed := c.elapsed(); elapsed-c.saved >= saveClockInterval {
		c.saved = elapsed
		if err := l.store.SaveClock(ctx, kept, after); err != nil {
			return time.Time{}, false, err
		}
	}
	if differs {
		by = by.Add(-holdBack)
	}
	return by, believed, nil
}

// noticeStep reads every revocation again when the clock was set back: some had expired by
// the time before, and do not any more.
func (l *Ledger) noticeStep(ctx context.Context, now time.Time) {
	before := l.lastTime
	l.lastTime = now
	if before.Sub(now) < time.Second {
		return
	}
	l.config.Log.WarnContext(ctx, "the clock was set back; all revocations are read again", "by", before.Sub(now))
	if err := l.addAll(ctx); err != nil {
		l.lastTime = before // so that it is tried again
		l.logFailure(ctx, "cannot read all revocations again; it is tried again", err)
	}
}

// addAll adds all revocations of the store to those in memory.
func (l *Ledger) addAll(ctx context.Context) error {
	for after := (store.Revocation{}); ; {
		page, err := l.store.Changes(ctx, after, BatchSize)
		if errors.Is(err, store.ErrStandby) {
			return nil
		}
		if err != nil || len(page) == 0 {
			return err
		}
		if _, err := l.add(ctx, page); err != nil {
			return err
		}
		after = page[len(page)-1]
	}
}
