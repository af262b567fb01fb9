package feed

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
)

// recorder is a Relay that keeps what it gets.
type recorder struct {
	mu       sync.Mutex
	messages []*feedv1.WatchChangesResponse // since the last restart
	got      []string                       // "changes after position", and how it began
	refusal  error                          // of the next message
}

func (r *recorder) Receive(message *feedv1.WatchChangesResponse, restart bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if restart {
		r.messages = nil
	}
	if restart || len(message.GetChanges()) > 0 {
		r.got = append(r.got, fmt.Sprintf("%d to %s, restart %t", len(message.GetChanges()), message.GetResumeToken(), restart))
	}
	r.messages = append(r.messages, message)
	err := r.refusal
	r.refusal = nil
	return err
}

func (r *recorder) Messages() iter.Seq[*feedv1.WatchChangesResponse] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Values(slices.Clone(r.messages))
}

func (r *recorder) assertGot(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.got, want) {
		t.Errorf("the relay got %q; want %q", r.got, want)
	}
	r.got = nil
}

func relayTo(r Relay) func(*Config) { return func(c *Config) { c.Relay = r } }

// A relay gets every message, and learns where everything begins anew.
func TestARelayGetsWhatTheHubSends(t *testing.T) {
	t.Parallel()
	relay := new(recorder)
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("sess_1")
		follower := fleet.follow(t, relayTo(relay))
		synctest.Wait()
		relay.assertGot(t, "1 to e1:1, restart true")
		hub.revoke("sess_2")
		synctest.Wait()
		end(fleet, errDone)
		hub.set(func() { hub.changes = append(hub.changes, unknownCase()) })
		pass(5 * time.Second)
		relay.assertGot(t, "1 to e1:2, restart false", "1 to e1:3, restart false")
		if s := follower.Status(); !s.CaughtUp || !s.Stale || s.Age < 4*time.Second {
			t.Errorf("Status = %+v; want it to stop at what is not known", s)
		}

		relay.refusal = errors.New("no")
		hub.revoke("sess_3")
		pass(5 * time.Second)
		relay.assertGot(t, "1 to e1:4, restart false", "4 to e1:4, restart true")
		assertRevoked(t, follower, "sess_1", "sess_2", "sess_3")
	})
}

// The snapshot of a relay has what it has: also a change that the follower does not know.
func TestTheSnapshotOfARelay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revocations")
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.revoke("sess_1")
		before := new(recorder)
		follower := fleet.follow(t, relayTo(before), snapshotAt(path))
		synctest.Wait()
		hub.set(func() { hub.changes = append(hub.changes, unknownCase()) })
		synctest.Wait()
		_ = follower.Close()
		hub.kill()
		pass(time.Minute)

		after := new(recorder)
		follower = fleet.follow(t, relayTo(after), snapshotAt(path))
		after.assertGot(t, "1 to e1:1, restart true", "1 to e1:2, restart false")
		assertRevoked(t, follower, "sess_1")
		if s := follower.Status(); !s.Ready || !s.CaughtUp || !s.Stale || s.Age != time.Minute {
			t.Errorf("Status = %+v", s)
		}
		hub.revive()
		hub.revoke("sess_2")
		pass(30 * time.Second)
		after.assertGot(t, "1 to e1:3, restart false")
		if got := hub.takeConfirmed(); got != "" {
			t.Errorf("%q is confirmed; want nothing, since it lacks a change", got)
		}
		_ = follower.Close()

		plain := fleet.follow(t, snapshotAt(path))
		if n := fleet.logged("it is of a relay"); n != 1 {
			t.Errorf("a follower that is no relay logs %d warnings of the file; want 1", n)
		}
		_ = plain.Close()

		refusing := &recorder{refusal: errors.New("no")}
		follower = fleet.follow(t, relayTo(refusing), snapshotAt(path))
		if follower.Status().Ready {
			t.Error("it is ready with a file that the relay refuses")
		}
	})
}

// A report is passed on to the hub of the connection.
func TestForward(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		synctest.Wait()
		report := &feedv1.ReportRequest{Follower: &feedv1.Follower{Service: "billing", InstanceId: "0"}, DroppedCount: 1, RelayCount: 2}
		if _, err := follower.Forward(t.Context(), report); err != nil {
			t.Error(err)
		}
		hub.mu.Lock()
		last := hub.reports[len(hub.reports)-1]
		hub.mu.Unlock()
		if last.GetFollower().GetService() != "billing" || last.GetRelayCount() != 2 {
			t.Errorf("the hub got %v", last)
		}
		hub.set(func() {
			hub.reportRefusal = refuse(connect.CodeFailedPrecondition, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
		})
		if _, err := follower.Forward(t.Context(), report); connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("%v; want what the hub says", err)
		}
		hub.kill()
		synctest.Wait()
		if _, err := follower.Forward(t.Context(), report); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("without a hub: %v", err)
		}
	}, func(c *Config) { c.Relay = new(recorder) })
}
