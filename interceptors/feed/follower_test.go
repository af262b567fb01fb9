package feed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestAFollowerRefusesWhatTheHubHasRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("before")
		follower := fleet.follow(t)
		var calls atomic.Int32
		stop := follower.Watch(func() { calls.Add(1) })
		if err := follower.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		assertRevoked(t, follower, "before")
		assertAdmitted(t, follower, "live", "other")
		synctest.Wait()
		calls.Store(0)
		hub.revoke("live")
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls to the watcher; want 1", n)
		}
		assertRevoked(t, follower, "before", "live")
		stop()
		hub.revoke("later")
		synctest.Wait()
		assertRevoked(t, follower, "later")
		assertAdmitted(t, follower, "other")
		if calls.Load() != 1 {
			t.Error("called after stop")
		}
		want := Status{Ready: true, CaughtUp: true, Hub: hub.url, Revocations: 3}
		if got := follower.Status(); got != want {
			t.Errorf("Status = %+v; want %+v", got, want)
		}
		request := hub.requests[0]
		if got := request.GetFollower(); got.GetService() != "billing" || got.GetInstanceId() == "" || hub.tokens[0] != "Bearer "+secret {
			t.Errorf("followed as %v with %q", got, hub.tokens[0])
		}
	})
}

func TestManyRevocationsComeInManyMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		var sessions []string
		for i := range 5500 {
			sessions = append(sessions, string(rune('a'+i%26))+strings.Repeat("x", i/26))
		}
		fleet.hubs[0].revoke(sessions...)
		follower := fleet.follow(t)
		synctest.Wait()
		assertRevoked(t, follower, sessions...)
		if got := follower.Status(); !got.Ready || got.Revocations != 5500 {
			t.Errorf("Status = %+v", got)
		}
	})
}

// Until the copy is there, nobody knows what is revoked.
func TestCallsAreRefusedUntilTheCopyHasCaughtUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.down = true
		hub.revoke("sess_1")
		follower := fleet.follow(t)
		var called atomic.Int32
		follower.Watch(func() { called.Add(1) })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		// It waits from before the first connection fails.
		if err := follower.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("WaitReady = %v; want that the time is over, and why", err)
		}
		assertReason(t, follower, "sess_1", auth.RevocationsStale)
		if s := follower.Status(); s.Ready || s.Age != 20*time.Second || s.Hub != "" || !strings.Contains(s.LastError, "refused") {
			t.Errorf("Status = %+v", s)
		}
		waited := make(chan error, 1)
		go func() { waited <- follower.WaitReady(t.Context()) }()
		hub.revive()
		if err := <-waited; err != nil {
			t.Errorf("WaitReady = %v", err)
		}
		synctest.Wait()
		assertRevoked(t, follower, "sess_1")
		assertAdmitted(t, follower, "sess_2")
		if n := called.Load(); n != 2 { // for the revocation, and because calls are not refused any more
			t.Errorf("the watcher was called %d times; want 2", n)
		}
		if n := fleet.logged("level=WARN"); n != 1 {
			t.Errorf("%d warnings; want one of the outage:\n%s", n, fleet.text())
		}
	})
}

// A hub that is still sending the first copy has not said that it is whole.
func TestHalfACopyIsNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("sess_1")
		hub.edit = func(m *feedMessage) { m.CompleteThrough = nil }
		follower := fleet.follow(t)
		pass(3 * time.Second)
		assertRevoked(t, follower, "sess_1")
		assertReason(t, follower, "sess_2", auth.RevocationsStale)
		hub.set(func() { hub.edit = nil })
		synctest.Wait()
		assertAdmitted(t, follower, "sess_2")
	})
}

func TestAnEmptyStartCanBeAllowed(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]bool{"and is served on": false, "until it is stale": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := newFleet(t, 1)
				fleet.hubs[0].down = true
				follower := fleet.follow(t, func(c *Config) { c.AllowEmptyStart, c.RefuseStale = true, refuse })
				if err := follower.WaitReady(t.Context()); err != nil {
					t.Errorf("WaitReady = %v", err)
				}
				pass(defaultMaxStale)
				assertAdmitted(t, follower, "sess_1")
				pass(time.Second)
				if s := follower.Status(); !s.Ready || !s.Stale {
					t.Errorf("Status = %+v", s)
				}
				if refuse {
					assertReason(t, follower, "sess_1", auth.RevocationsStale)
				} else {
					assertAdmitted(t, follower, "sess_1")
				}
			})
		})
	}
}

func TestAStaleCopyIsServedOrRefused(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]bool{"served by default": false, "refused where that was chosen": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
				hub := fleet.hubs[0]
				hub.revoke("sess_1")
				synctest.Wait()
				var called atomic.Int32
				follower.Watch(func() { called.Add(1) })
				hub.kill()
				pass(defaultMaxStale)
				assertAdmitted(t, follower, "sess_2")
				if s := follower.Status(); s.Stale || s.Age != defaultMaxStale || s.Hub != "" || s.LastError == "" {
					t.Errorf("Status = %+v", s)
				}
				pass(time.Second)
				if s := follower.Status(); !s.Stale || !s.Ready {
					t.Errorf("Status = %+v", s)
				}
				assertRevoked(t, follower, "sess_1")
				var want int32
				if refuse {
					want = 1
					assertReason(t, follower, "sess_2", auth.RevocationsStale)
				} else {
					assertAdmitted(t, follower, "sess_2")
				}
				if n := called.Load(); n != want {
					t.Errorf("watchers were called %d times; want %d", n, want)
				}
				pass(time.Minute)
				hub.revive()
				pass(time.Second)
				assertAdmitted(t, follower, "sess_2")
				assertRevoked(t, follower, "sess_1")
				if s := follower.Status(); s.Stale || s.Age > time.Second || s.LastError != "" {
					t.Errorf("Status = %+v", s)
				}
				for line, want := range map[string]int{"the copy of revocations is stale": 1, "is not stale any more": 1, "level=WARN": 2} {
					if n := fleet.logged(line); n != want {
						t.Errorf("%q is logged %d times; want %d:\n%s", line, n, want, fleet.text())
					}
				}
			}, func(c *Config) { c.RefuseStale = refuse })
		})
	}
}

func TestATokenThatHasExpiredIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 2)
		tokens := &freshTokens{}
		fleet.source = tokens
		follower := fleet.follow(t)
		pass(time.Minute)
		end(fleet, refuse(connect.CodeUnauthenticated, errorv1.Reason_REASON_TOKEN_EXPIRED))
		synctest.Wait()
		pass(time.Second)
		if want := []bool{false, true}; !slices.Equal(tokens.fresh, want) {
			t.Errorf("fresh tokens were wanted: %v; want %v", tokens.fresh, want)
		}
		if len(fleet.limits) != 0 || fleet.logged("level=WARN") != 0 {
			t.Errorf("%d delays, log:\n%s", len(fleet.limits), fleet.text())
		}
		assertAdmitted(t, follower, "sess_1")
	})
}

func TestAFollowerWhoseTokenWasRevokedIsStaleAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.set(func() {
			hub.ending = refuse(connect.CodeUnauthenticated, errorv1.Reason_REASON_TOKEN_REVOKED)
			hub.refusal = hub.ending
		})
		synctest.Wait()
		if s := follower.Status(); !s.Stale || s.Age > time.Second {
			t.Errorf("Status = %+v; want it stale", s)
		}
		assertReason(t, follower, "sess_1", auth.RevocationsStale)
		hub.set(func() { hub.refusal = nil })
		pass(2 * time.Second)
		assertAdmitted(t, follower, "sess_1")
	}, func(c *Config) { c.RefuseStale = true })
}
