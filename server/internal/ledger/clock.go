package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxStep is how much further the time of day may be than expected to be believed at
	// once, and believedAfter how long the process must have run to believe it anyway.
	maxStep       = 24 * time.Hour
	believedAfter = 24 * time.Hour
)

// A clock doubts a time of day that is far later than expected: that of a machine that woke
// up, or whose clock is wrong. What is removed by it would not come back when it is set
// right. It is for one goroutine.
type clock struct {
	elapsed func() time.Duration // since the start, by a clock that does not jump

	believed time.Time     // a time of day,
	at       time.Duration // and when that was
	doubting bool
	since    time.Duration
}

func newClock() clock {
	start := time.Now()
	return clock{elapsed: func() time.Duration { return time.Since(start) }}
}

// believes reports whether a time of day can be believed, and whether it is the first time
// that it cannot.
func (c *clock) believes(now time.Time) (yes, doubtIsNew bool) {
	elapsed := c.elapsed()
	expected := c.believed.Add(elapsed - c.at)
	if !c.believed.IsZero() && now.Sub(expected) > maxStep {
		if !c.doubting {
			c.doubting, c.since, doubtIsNew = true, elapsed, true
		}
		if elapsed-c.since < believedAfter {
			return false, doubtIsNew
		}
	}
	c.believed, c.at, c.doubting = now, elapsed, false
	return true, false
}

// mayPrune reports whether the time of day is one by which to remove what has expired.
func (l *Ledger) mayPrune(ctx context.Context, now time.Time) bool {
	before := l.clock.believed
	yes, doubtIsNew := l.clock.believes(now)
	if doubtIsNew {
		l.config.Log.WarnContext(ctx, "the clock is far ahead of what was last seen or revoked; nothing is removed for now", "now", now, "last", before,
			"remedy", fmt.Sprintf("correct the clock if it is wrong; if it is right, do nothing: it is believed after %v", believedAfter))
	}
	return yes
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
