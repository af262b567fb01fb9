package feed

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// The request of a connection is sent at 100 s on the clocks of this machine.
func TestAsOfWhenTheCopyIsComplete(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(running, wall time.Duration) reading { return reading{running, start.Add(wall)} }
	const s = time.Second
	sent := at(100*s, 100*s)
	for name, row := range map[string]struct {
		now     reading
		through time.Duration
		age     time.Duration
		fault   error
	}{
		"when the request was received":      {at(103*s, 103*s), 0, 3 * s, nil},
		"later":                              {at(110*s, 110*s), 8 * s, 2 * s, nil},
		"before the request":                 {at(101*s, 101*s), -5 * s, 6 * s, nil},
		"just now":                           {at(110*s, 110*s), 10 * s, 0, nil},
		"later than now, by a clock's drift": {at(110*s, 110*s), 11 * s, 0, nil},
		"later than now, by more":            {at(110*s, 110*s), 11*s + 1, 0, errClockWrong},
		"absurdly later":                     {at(110*s, 110*s), math.MaxInt64, 0, errClockWrong},
		"absurdly earlier":                   {at(110*s, 110*s), math.MinInt64, maxBefore + 10*s, nil},
		"after this machine has slept":       {at(110*s, 3700*s), 8 * s, 3592 * s, nil},
		"the time of day was set back":       {at(110*s, -3600*s), 8 * s, 2 * s, nil},
		"the hub knows of the sleep":         {at(110*s, 3710*s), 3608 * s, 0, errClockWrong},
	} {
		f := &Follower{now: func() reading { return row.now }, config: Config{MaxStale: time.Minute}}
		f.state.started = sent
		err := f.completeThrough(&watch{sent: sent}, row.through, row.now)
		if !errors.Is(err, row.fault) || err != nil && row.fault == nil {
			t.Errorf("%s: %v; want %v", name, err, row.fault)
		}
		if row.fault != nil {
			if f.state.caughtUp {
				t.Errorf("%s: counts as caught up", name)
			}
			continue
		}
		if got := f.age(row.now); got != row.age || !f.state.caughtUp {
			t.Errorf("%s: the age is %v; want %v", name, got, row.age)
		}
	}
}

// What a hub has said once counts, whatever it or another one says later.
func TestTheCopyDoesNotBecomeOlder(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		pass(5 * time.Second)
		fleet.hubs[0].set(func() {
			fleet.hubs[0].edit = func(m *feedMessage) { m.CompleteThrough = durationpb.New(-time.Hour) }
		})
		pass(3 * time.Second)
		if got := follower.Status().Age; got != 3*time.Second {
			t.Errorf("the age is %v; want 3s", got)
		}
	})
}

func TestAHubThatForgetsTooEarlyIsNotReliedOn(t *testing.T) {
	t.Parallel()
	const accepted = 12 * time.Hour
	for name, row := range map[string]struct {
		retention *durationpb.Duration
		says      string
	}{
		"it does not say":               {nil, "does not say"},
		"it says nonsense":              {&durationpb.Duration{Nanos: -1, Seconds: 1}, "does not say"},
		"shorter than a token can live": {durationpb.New(accepted - 1), "11h59m59.999999999s, and this service accepts tokens that live for 12h0m0s"},
		"as long as a token can live":   {durationpb.New(accepted), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := newFleet(t, 1)
				hub := fleet.hubs[0]
				hub.edit = func(m *feedMessage) { m.Retention = row.retention }
				hub.revoke("sess_1")
				follower := fleet.follow(t, func(c *Config) { c.Retention = accepted })
				err := follower.WaitReady(t.Context())
				if row.says == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), row.says) {
					t.Errorf("WaitReady = %v; want %q", err, row.says)
				}
				pass(time.Minute)
				if s := follower.Status(); s.Ready || !strings.Contains(s.LastError, row.says) {
					t.Errorf("Status = %+v", s)
				}
				if n := fleet.logged("level=ERROR"); n != 1 {
					t.Errorf("%d errors are logged; want 1:\n%s", n, fleet.text())
				}
				assertReason(t, follower, "sess_2", auth.RevocationsStale)
				assertRevoked(t, follower, "sess_1") // it is added all the same

				hub.set(func() { hub.edit = nil })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				pass(time.Second)
				if err := follower.WaitReady(ctx); err != nil {
					t.Errorf("once the hub was corrected: %v", err)
				}
			})
		})
	}
}

// A hub whose settings have become worse goes on sending what it knows, and the copy
// grows old.
func TestAHubMayBecomeUnreliable(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.set(func() {
			hub.edit = func(m *feedMessage) { m.Retention = durationpb.New(revocation.DefaultRetention - 1) }
		})
		pass(defaultMaxStale + time.Second)
		hub.revoke("sess_1")
		synctest.Wait()
		assertRevoked(t, follower, "sess_1")
		assertAdmitted(t, follower, "sess_2")
		if s := follower.Status(); !s.Ready || !s.Stale || s.LastError == "" {
			t.Errorf("Status = %+v", s)
		}
	})
}

// slept is a clock whose time of day is ahead by what a test says.
func slept(fleet *fleet) (sleep func(time.Duration)) {
	var ahead time.Duration
	clock := systemClock()
	fleet.now = func() reading {
		fleet.mu.Lock()
		defer fleet.mu.Unlock()
		r := clock()
		r.wall = r.wall.Add(ahead)
		return r
	}
	return func(d time.Duration) {
		fleet.mu.Lock()
		defer fleet.mu.Unlock()
		ahead += d
	}
}

func TestAfterASleepTheCopyIsOldAndTheHubWatchedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		sleep := slept(fleet)
		follower := fleet.follow(t, func(c *Config) { c.RefuseStale = true })
		pass(5500 * time.Millisecond)
		hub.set(func() { hub.paused = true }) // the connection did not survive
		sleep(time.Hour)
		if s := follower.Status(); !s.Stale || s.Age < time.Hour {
			t.Errorf("Status = %+v", s)
		}
		pass(500 * time.Millisecond)
		assertReason(t, follower, "sess_1", auth.RevocationsStale)
		hub.set(func() { hub.paused = false })
		pass(time.Second)
		assertAsked(t, hub, "", "e1:0")
		assertAdmitted(t, follower, "sess_1")
	})
}

// A clock that was ahead has had revocations forgotten, which are in force by the right
// one.
func TestAfterAClockWasSetBackAllIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		set := slept(fleet)
		follower := fleet.follow(t)
		pass(5500 * time.Millisecond)
		set(48 * time.Hour)
		pass(5 * time.Second)
		hub.revoke("sess_1")
		synctest.Wait()
		assertAdmitted(t, follower, "sess_1") // it has expired, by this clock
		set(-48 * time.Hour)
		pass(2 * time.Second)
		assertAsked(t, hub, "", "e1:0", "")
		assertRevoked(t, follower, "sess_1")
		set(maxJump) // as far as a correction goes
		pass(time.Second)
		set(-maxJump)
		pass(time.Second)
		assertAsked(t, hub, "", "e1:0", "")
	})
}
