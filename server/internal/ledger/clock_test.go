package ledger

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

const day = 24 * time.Hour

func TestATimeOfDayThatIsFarFromWhatIsExpectedIsDoubtedForADay(t *testing.T) {
	t.Parallel()
	start := time.Now().Round(0)
	type reading struct {
		elapsed, now time.Duration // since the start
		believed     bool
	}
	for name, test := range map[string]struct {
		last     time.Duration // before the start
		readings []reading
	}{
		"a clock that goes on":                  {0, []reading{{0, 0, true}, {day, day, true}, {9 * day, 9 * day, true}}},
		"after a day without activity":          {day, []reading{{0, 0, true}}},
		"after more than a day":                 {day + 1, []reading{{0, 0, false}, {day - 1, day - 1, false}, {day, day, true}, {day + 1, day + 1, true}}},
		"a clock that is ahead, and set right":  {0, []reading{{0, 30 * day, false}, {time.Minute, 30*day + time.Minute, false}, {2 * time.Minute, 2 * time.Minute, true}}},
		"a clock that jumps later":              {0, []reading{{day, day, true}, {day + time.Minute, 30 * day, false}, {2*day + time.Minute, 31 * day, true}}},
		"a clock that jumps within the day":     {0, []reading{{0, day, true}, {time.Minute, 2*day + time.Minute, true}}},
		"a clock that is behind":                {30 * day, []reading{{0, -60 * day, false}, {day, -59 * day, true}, {day + time.Minute, -59*day + time.Minute, true}}},
		"a clock that is set right, and ahead":  {0, []reading{{0, 30 * day, false}, {day - 1, day - 1, true}, {day + 1, 30 * day, false}, {2 * day, 31 * day, false}}},
		"a clock that jumps while it is behind": {0, []reading{{0, -day, true}, {time.Minute, day, false}}},
	} {
		c, kept := newClock(), store.Clock{Believed: start.Add(-test.last)}
		for i, r := range test.readings {
			c.elapsed = func() time.Duration { return r.elapsed }
			var believed bool
			if kept, believed, _ = c.judge(start.Add(r.now), kept); believed != r.believed {
				t.Errorf("%s: reading %d is believed: %t; want %t", name, i, believed, r.believed)
			}
		}
	}
	c := newClock()
	if _, believed, _ := c.judge(start, store.Clock{}); !believed {
		t.Error("the first time of day is doubted, though none was believed before")
	}
}

func TestADayOfDoubtIsThatOfAllServersTogether(t *testing.T) {
	t.Parallel()
	start := time.Now().Round(0)
	kept, believed := store.Clock{Believed: start}, false
	var now time.Duration
	for restarts := 0; !believed; restarts++ {
		if now > 2*day {
			t.Fatal("a clock that is right is doubted for ever by a server that is restarted every five hours")
		}
		c, begun := newClock(), now
		c.elapsed = func() time.Duration { return now - begun }
		for ; now < begun+5*time.Hour; now += time.Minute {
			kept, believed, _ = c.judge(start.Add(30*day+now), kept)
		}
	}
	if now < day {
		t.Errorf("it is believed after %s", now)
	}
	// While another server has another time of day, that of this one is never believed.
	c := newClock()
	for now = 0; now < 3*day; now += time.Hour {
		c.elapsed = func() time.Duration { return now }
		if _, believed, _ = c.judge(start.Add(60*day+now), store.Clock{Believed: start.Add(now)}); believed {
			t.Fatalf("it is believed after %s", now)
		}
	}
}

// What was seen and revoked by a clock that is wrong must not make it right.
func TestAWrongClockIsDoubtedAfterARestart(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	expire := func(l *Ledger) {
		t.Helper()
		r, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the last is kept in any case
			if _, err := l.Revoke(t.Context(), store.Origin{}, nil, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	expire(l)
	if _, err := l.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		config := someConfig()
		config.Now = func() time.Time { return time.Now().Add(10 * retention) }
		ahead := newLedger(db, config)
		if _, err := ahead.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		see(t, ahead, "sess_1")
		ahead.Flush(t.Context())
		expire(ahead)
	}
	kept, err := db.Revocations(t.Context(), store.RevocationListing{}, 100)
	if err != nil || len(kept) != 8 {
		t.Errorf("%d revocations are left, error %v; want all 8", len(kept), err)
	}
}

// A clockedStore has a clock of its own, as PostgreSQL has.
type clockedStore struct {
	store.Store

	now func() time.Time
}

func (s clockedStore) Clock(ctx context.Context) (store.Clock, error) {
	clock, err := s.Store.Clock(ctx)
	clock.Now = s.now()
	return clock, err
}

func TestTheEarlierClockCountsAndADayLess(t *testing.T) {
	t.Parallel()
	start := time.Now().Round(0)
	for name, test := range map[string]struct {
		here, database time.Duration
		want           time.Duration
		warnings       int
	}{
		"both are right":           {0, 0, 0, 0},
		"they differ a little":     {time.Minute, 0, time.Minute, 0},
		"this machine is ahead":    {30 * day, 0, -day, 1},
		"the database is ahead":    {0, 30 * day, -day, 1},
		"this machine is behind":   {-time.Hour, 0, -time.Hour - day, 1},
		"the database is too late": {0, -time.Hour, -time.Hour - day, 1},
	} {
		l, db := idleLedger(t)
		log := logged(l)
		l.config.Now = func() time.Time { return start.Add(test.here) }
		db.Store = clockedStore{db.Store, func() time.Time { return start.Add(test.database) }}
		if err := db.SaveClock(t.Context(), store.Clock{}, store.Clock{Believed: start}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			by, ok, err := l.pruneTime(t.Context())
			if err != nil || !ok || by.Sub(start.Add(test.want)).Abs() > time.Microsecond {
				t.Errorf("%s: %s, %t, error %v; want %s from the start", name, by.Sub(start), ok, err, test.want)
			}
		}
		if got := strings.Count(log.String(), "the clocks of this machine and of the database differ"); got != test.warnings {
			t.Errorf("%s: %d warnings; want %d", name, got, test.warnings)
		}
	}
}

// As after a machine has woken up, whose clock is ahead, and was set right then.
func TestAClockThatIsAheadRemovesNothing(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	start := time.Now()
	var ahead, elapsed time.Duration
	l.config.Now = func() time.Time { return start.Add(ahead) }
	l.clock.elapsed = func() time.Duration { return elapsed }
	l.revoked = revocation.New(revocation.Config{Retention: l.config.MaxLifetime, Now: l.config.Now})
	see(t, l, "sess_1")
	l.Flush(t.Context())
	kill := func(id string) {
		t.Helper()
		r, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: id}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Revoke(t.Context(), store.Origin{}, nil, r); err != nil {
			t.Fatal(err)
		}
	}
	kill("sess_1")
	left := func() int {
		t.Helper()
		kept, err := db.Revocations(t.Context(), store.RevocationListing{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(kept) + len(sessionsIn(t, l))/len("sess_1")
	}

	for _, ahead = range []time.Duration{0, 10 * retention, 10 * retention} {
		if _, err := l.start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(); n != 2 {
		t.Errorf("%d rows are left; want both", n)
	}
	if text := log.String(); strings.Count(text, "the clock is far from what it was") != 1 {
		t.Errorf("the log does not warn once: %s", text)
	}
	l.noticeStep(t.Context(), l.now())
	for i := range 1000 { // until what has expired is let go
		kill("other" + strings.Repeat("_", i))
	}
	ahead = 0
	l.noticeStep(t.Context(), l.now())
	if l.revoked.Revoked(&auth.Identity{Issuer: someIssuer, Subject: "user_ada", SessionID: "sess_1"}) == nil {
		t.Error("a session is accepted again whose revocation had expired by the clock that was ahead")
	}
	if text := log.String(); strings.Count(text, "the clock was set back") != 1 {
		t.Errorf("the log does not warn once: %s", text)
	}

	ahead = 10 * retention
	l.prune(t.Context())
	if n := left(); n < 2 {
		t.Errorf("%d rows are left; want all, since the clock is ahead again", n)
	}
	elapsed = believedAfter
	l.prune(t.Context())
	if sessions := sessionsIn(t, l); sessions != "" {
		t.Errorf("%q are left; want none, after a day at that time", sessions)
	}
	if text := log.String(); !strings.Contains(text, "level=INFO msg=\"removed what has expired\" sessions=1") {
		t.Errorf("the log does not say what was removed: %s", text)
	}
}
