package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

const day = 24 * time.Hour

func TestATimeOfDayThatIsFarAheadIsDoubtedForADay(t *testing.T) {
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
		"a clock that is behind":                {-30 * day, []reading{{0, 0, true}, {time.Minute, time.Minute, true}}},
		"a clock that is set right, and ahead":  {0, []reading{{0, 30 * day, false}, {day, day, true}, {day + 1, 30 * day, false}, {2 * day, 31 * day, false}}},
		"a clock that jumps while it is behind": {0, []reading{{0, -30 * day, true}, {time.Minute, time.Minute, false}}},
	} {
		c := clock{believed: start.Add(-test.last)}
		for i, r := range test.readings {
			c.elapsed = func() time.Duration { return r.elapsed }
			if got, _ := c.believes(start.Add(r.now)); got != r.believed {
				t.Errorf("%s: reading %d is believed: %t; want %t", name, i, got, r.believed)
			}
		}
	}
	c := newClock()
	if yes, _ := c.believes(start); !yes {
		t.Error("the first time of day is doubted, though nothing was seen before")
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
		kept, err := db.Revocations(t.Context(), store.Revocation{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(kept) + len(sessionsIn(t, l))/len("sess_1")
	}

	ahead = 10 * retention
	for range 2 {
		if _, err := l.start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(); n != 2 {
		t.Errorf("%d rows are left; want both", n)
	}
	if text := log.String(); strings.Count(text, "the clock is far ahead") != 1 {
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
