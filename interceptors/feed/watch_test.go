package feed

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

func assertAsked(t *testing.T, h *hub, want ...string) {
	t.Helper()
	if got := h.asked(); !slices.Equal(got, want) {
		t.Errorf("the hub was asked from %q; want %q", got, want)
	}
}

func TestAfterAnInterruptionOnlyWhatIsNewIsRead(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.revoke("sess_1", "sess_2")
		synctest.Wait()
		hub.kill()
		hub.revoke("sess_3")
		hub.revive()
		pass(time.Second)
		assertAsked(t, hub, "", "e1:2")
		assertRevoked(t, follower, "sess_1", "sess_2", "sess_3")
	})
}

func TestAnotherHubTakesOver(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, fleet *fleet, follower *Follower) {
		first, second := fleet.hubs[0], fleet.hubs[1]
		if follower.Status().Hub == second.url {
			first, second = second, first
		}
		for _, h := range fleet.hubs {
			h.revoke("sess_1")
		}
		synctest.Wait()
		first.kill()
		second.revoke("sess_2")
		pass(time.Second)
		assertAsked(t, second, "e1:1")
		assertRevoked(t, follower, "sess_1", "sess_2")
		if s := follower.Status(); s.Hub != second.url || s.LastError != "" {
			t.Errorf("Status = %+v", s)
		}
	})
}

// A connection that is cut in the middle of a message gives half a message to nobody.
func TestAConnectionIsCutWithinAMessage(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int{1, 8, 9, 10, 14, 40, 500} {
		inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
			hub := fleet.hubs[0]
			pass(1500 * time.Millisecond)
			hub.open[0].mu.Lock()
			hub.open[0].left = bytes
			hub.open[0].mu.Unlock()
			var sessions []string
			for i := range 100 {
				sessions = append(sessions, strings.Repeat("s", i+1))
			}
			hub.revoke(sessions...)
			synctest.Wait()
			if s := follower.Status(); s.Hub != "" || s.LastError == "" || s.Revocations != 0 {
				t.Errorf("after %d bytes: Status = %+v", bytes, s)
			}
			pass(time.Second)
			assertAsked(t, hub, "", "e1:0")
			assertRevoked(t, follower, sessions...)
		})
	}
}

// A hub that stalls without closing its connection is left after three heartbeats.
func TestASilentHubIsLeft(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, fleet *fleet, follower *Follower) {
		silent, other := fleet.hubs[0], fleet.hubs[1]
		if follower.Status().Hub == other.url {
			silent, other = other, silent
		}
		silent.set(func() { silent.paused = true })
		pass(2999 * time.Millisecond)
		if got := follower.Status(); got.Hub != silent.url {
			t.Errorf("left too soon: %+v", got)
		}
		pass(time.Millisecond)
		if got := follower.Status(); got.Hub != "" || !strings.Contains(got.LastError, errSilent.Error()) {
			t.Errorf("Status = %+v; want that the hub is silent", got)
		}
		pass(time.Second)
		if got := follower.Status(); got.Hub != other.url {
			t.Errorf("Status = %+v; want the other hub", got)
		}
	})
}

func TestAHubThatDoesNotAnswerIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 2)
		for _, h := range fleet.hubs {
			h.paused = true
		}
		follower := fleet.follow(t)
		pass(firstTimeout)
		if s := follower.Status(); !strings.Contains(s.LastError, errSilent.Error()) {
			t.Errorf("Status = %+v", s)
		}
		for _, h := range fleet.hubs {
			h.set(func() { h.paused = false })
		}
		pass(time.Second)
		if s := follower.Status(); !s.Ready {
			t.Errorf("Status = %+v", s)
		}
		if a, b := len(fleet.hubs[0].asked()), len(fleet.hubs[1].asked()); a != 1 || b != 1 {
			t.Errorf("the hubs were asked %d and %d times; want each once", a, b)
		}
	})
}

// A hub that keeps a connection busy without a whole message is silent all the same, and
// one with long heartbeats is given their time.
func TestTheHubChoosesItsHeartbeat(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ interval, silence time.Duration }{
		"of ten seconds":                {10 * time.Second, 30 * time.Second},
		"longer than a hub may choose":  {time.Hour, 90 * time.Second},
		"shorter than a hub may choose": {time.Nanosecond, 3 * time.Second},
		"none":                          {0, 3 * time.Second},
		"negative":                      {-time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := newFleet(t, 1)
				hub := fleet.hubs[0]
				hub.edit = func(m *feedMessage) {
					m.HeartbeatInterval = durationpb.New(row.interval)
					hub.mu.Lock()
					defer hub.mu.Unlock()
					hub.paused = true // from now on
				}
				follower := fleet.follow(t, func(c *Config) { c.MaxStale = time.Hour })
				pass(row.silence - time.Millisecond)
				if got := follower.Status(); got.Hub == "" {
					t.Errorf("left too soon: %+v", got)
				}
				pass(time.Millisecond)
				if got := follower.Status(); got.Hub != "" {
					t.Errorf("not left: %+v", got)
				}
			})
		})
	}
}

// A hub that is cut off from its database sends heartbeats, and no news.
func TestAHubWithoutNewsIsLeft(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, fleet *fleet, follower *Follower) {
		behind, other := fleet.hubs[0], fleet.hubs[1]
		if follower.Status().Hub == other.url {
			behind, other = other, behind
		}
		pass(5 * time.Second)
		behind.set(func() { behind.edit = func(m *feedMessage) { m.CompleteThrough = durationpb.New(5 * time.Second) } })
		pass(maxBehind)
		if got := follower.Status(); got.Hub != behind.url || got.Age != maxBehind {
			t.Errorf("left too soon: %+v", got)
		}
		pass(time.Second)
		if got := follower.Status(); got.Hub != "" || !strings.Contains(got.LastError, errBehind.Error()) {
			t.Errorf("Status = %+v; want that the hub has no news", got)
		}
		pass(time.Second)
		if got := follower.Status(); got.Hub != other.url || got.Age != 0 {
			t.Errorf("Status = %+v; want the other hub", got)
		}
	})
}

// A hub that has much to read for others is given the time.
func TestAHubThatIsBusyIsNotLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, 1)
		hub := fleet.hubs[0]
		hub.edit = func(m *feedMessage) { m.CompleteThrough = nil }
		follower := fleet.follow(t)
		pass(maxReading)
		assertAsked(t, hub, "")
		pass(5 * time.Second)
		assertAsked(t, hub, "", "e1:0")
		if s := follower.Status(); s.Ready {
			t.Errorf("Status = %+v", s)
		}
	})
}

func TestDelaysGrowWithTheOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.kill()
		synctest.Wait()
		for outage, want := range map[time.Duration]time.Duration{0: 2 * time.Second, time.Minute: 4 * time.Second, 10 * time.Minute: 30 * time.Second} {
			follower.mu.Lock()
			follower.state.progress = follower.now().add(-outage)
			follower.mu.Unlock()
			fleet.limits = nil
			follower.delay()
			if fleet.limits[0] != want {
				t.Errorf("after %v up to %v; want %v", outage, fleet.limits[0], want)
			}
		}
	})
}

// A follower that was cut off for a minute is back within five seconds.
func TestAfterAPartitionAFollowerIsSoonBack(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.kill()
		pass(time.Minute)
		hub.revoke("sess_1")
		hub.revive()
		pass(5 * time.Second)
		assertRevoked(t, follower, "sess_1")
	})
}

func TestARefusedPositionIsGivenUpAndTheCopyKept(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"another epoch":         refuse(connect.CodeFailedPrecondition, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED),
		"expired":               refuse(connect.CodeOutOfRange, errorv1.Reason_REASON_POSITION_EXPIRED),
		"invalid":               refuse(connect.CodeInvalidArgument, errorv1.Reason_REASON_POSITION_INVALID),
		"for whatever argument": connect.NewError(connect.CodeInvalidArgument, errors.New("no reason")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
				hub := fleet.hubs[0]
				hub.revoke("sess_1")
				pass(time.Minute)
				hub.set(func() { // its database was replaced by one that knows another revocation
					hub.epoch, hub.changes = "e2", nil
					hub.ending = refusal
				})
				hub.revoke("sess_2")
				pass(time.Second)
				assertAsked(t, hub, "", "")
				assertRevoked(t, follower, "sess_1", "sess_2")
				assertAdmitted(t, follower, "sess_3")
			})
		})
	}
}

// A hub with another database refuses the position before the first message.
func TestAPositionOfAnotherDatabaseIsGivenUp(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.revoke("sess_1")
		synctest.Wait()
		hub.kill()
		hub.set(func() { hub.epoch, hub.changes = "e2", nil })
		hub.revoke("sess_2")
		hub.revive()
		pass(2 * time.Second)
		assertAsked(t, hub, "", "e1:1", "")
		assertRevoked(t, follower, "sess_1", "sess_2")
	})
}

func TestOtherErrorsKeepThePosition(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"the hub stops":          refuse(connect.CodeUnavailable, errorv1.Reason_REASON_SERVER_STOPPING),
		"its store fails":        refuse(connect.CodeUnavailable, errorv1.Reason_REASON_STORE_UNAVAILABLE),
		"the follower was slow":  refuse(connect.CodeResourceExhausted, errorv1.Reason_REASON_READER_TOO_SLOW),
		"the follower may not":   refuse(connect.CodePermissionDenied, errorv1.Reason_REASON_PERMISSION_REQUIRED),
		"the token is not known": refuse(connect.CodeUnauthenticated, errorv1.Reason_REASON_KEY_UNKNOWN),
		"the hub panics":         connect.NewError(connect.CodeInternal, errors.New("panic")),
		"it is no hub":           connect.NewError(connect.CodeUnimplemented, errors.New("404")),
		"without any error":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
				hub := fleet.hubs[0]
				hub.revoke("sess_1")
				synctest.Wait()
				if refusal == nil {
					hub.set(func() { hub.ending = errDone })
				} else {
					hub.set(func() { hub.ending = refusal })
				}
				pass(time.Second)
				assertAsked(t, hub, "", "e1:1")
				if s := follower.Status(); !s.Ready || s.LastError != "" {
					t.Errorf("Status = %+v", s)
				}
			})
		})
	}
}

func TestGarbageIsNotAdded(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		edit func(*feedv1.WatchChangesResponse)
		says string
	}{
		"no position":                 {func(m *feedMessage) { m.ResumeToken = "" }, "without a usable position"},
		"a position that is too long": {func(m *feedMessage) { m.ResumeToken = strings.Repeat("x", maxPosition+1) }, "without a usable position"},
		"a duration that is none": {func(m *feedMessage) {
			m.CompleteThrough = &durationpb.Duration{Seconds: 1, Nanos: -1}
		}, "without a usable position"},
		"a message that is too large": {func(m *feedMessage) { m.ResumeToken = strings.Repeat("x", maxMessage+1) }, "larger than"},
		"a time to come":              {func(m *feedMessage) { m.CompleteThrough = durationpb.New(time.Hour) }, "a clock is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := newFleet(t, 1)
				hub := fleet.hubs[0]
				hub.edit = row.edit
				follower := fleet.follow(t)
				synctest.Wait()
				if s := follower.Status(); s.Ready || !strings.Contains(s.LastError, row.says) {
					t.Errorf("Status = %+v; want %q", s, row.says)
				}
				assertReason(t, follower, "sess_1", auth.RevocationsStale)
				pass(10 * time.Second)
				if n := len(hub.asked()); n < 5 || n > 11 {
					t.Errorf("tried %d times in ten seconds", n)
				}
				hub.set(func() { hub.edit = nil })
				pass(30 * time.Second)
				assertAdmitted(t, follower, "sess_1")
			})
		})
	}
}

// What answers need not be a hub at all.
func TestAnswersThatAreNotOfAHub(t *testing.T) {
	t.Parallel()
	stream := func(content string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/connect+proto")
			_, _ = w.Write([]byte(content))
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"a page":                         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"not found":                      http.NotFound,
		"a redirect":                     http.RedirectHandler("http://127.0.0.1:80/elsewhere", http.StatusTemporaryRedirect).ServeHTTP,
		"nothing":                        stream(""),
		"half of a frame's header":       stream("\x00\x00"),
		"a frame that is too long":       stream("\x00\xff\xff\xff\xff"),
		"a frame that is cut":            stream("\x00\x00\x00\x00\x09abc"),
		"a message that is none":         stream("\x00\x00\x00\x00\x03\xff\xff\xff"),
		"flags that do not exist":        stream("\xf0\x00\x00\x00\x00"),
		"compression that was not named": stream("\x01\x00\x00\x00\x03abc"),
		"an end that is no JSON":         stream("\x02\x00\x00\x00\x01{"),
		"an end without a message":       stream("\x02\x00\x00\x00\x02{}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := newFleet(t, 1)
				hub := fleet.hubs[0]
				hub.revoke("sess_1")
				follower := fleet.follow(t)
				synctest.Wait()
				hub.set(func() { hub.instead = handler })
				hub.kill()
				hub.revive()
				pass(10 * time.Second)
				if s := follower.Status(); s.Hub != "" || s.LastError == "" || !s.Ready {
					t.Errorf("Status = %+v", s)
				}
				if s := follower.Status(); name == "not found" && !strings.Contains(s.LastError, "correct the URL") {
					t.Errorf("LastError = %q; want the remedy", s.LastError)
				}
				hub.set(func() { hub.instead = nil })
				pass(3 * time.Second)
				assertAsked(t, hub, "", "e1:1")
				assertRevoked(t, follower, "sess_1")
			})
		})
	}
}
