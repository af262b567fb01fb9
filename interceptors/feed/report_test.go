package feed

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"connectrpc.com/connect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// Report keeps what is reported.
func (h *hub) Report(_ context.Context, req *feedv1.ReportRequest) (*feedv1.ReportResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reportRefusal != nil {
		return nil, h.reportRefusal
	}
	if confirmed := req.GetConfirmedResumeToken(); confirmed != "" {
		h.confirmed = append(h.confirmed, confirmed)
		if len(req.GetSessions()) == 0 && req.GetDroppedCount() == 0 {
			return &feedv1.ReportResponse{}, nil
		}
	}
	if decisions := req.GetDecisions(); len(decisions) > 0 {
		h.decisions = append(h.decisions, decisions...)
		return &feedv1.ReportResponse{RejectedDecisionCount: h.rejects}, nil
	}
	h.reports = append(h.reports, req)
	return &feedv1.ReportResponse{RejectedCount: h.rejects}, nil
}

// takeReports returns the sessions that were reported since the last call, and how many
// reports there were.
func (h *hub) takeReports() (sessions []*feedv1.SeenSession, reports int, dropped int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.reports {
		sessions, dropped = append(sessions, r.GetSessions()...), dropped+r.GetDroppedCount()
	}
	reports, h.reports = len(h.reports), nil
	return sessions, reports, dropped
}

// takeConfirmed returns the positions that were confirmed since the last call.
func (h *hub) takeConfirmed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	confirmed := strings.Join(h.confirmed, " ")
	h.confirmed = nil
	return confirmed
}

func TestAFollowerConfirmsWhatItHasAdded(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub, other := fleet.hubs[0], fleet.hubs[1]
		if follower.Status().Hub == other.url {
			hub, other = other, hub
		}
		want := func(what, want string) {
			t.Helper()
			if got := hub.takeConfirmed(); got != want {
				t.Errorf("%s: confirmed %q; want %q", what, got, want)
			}
		}
		pass(time.Second)
		want("at the start", "e1:0")
		pass(time.Minute)
		want("while nothing happens", "")
		hub.revoke("sess_1")
		pass(maxConfirmDelay)
		want("a tenth of a second after a change", "e1:1")
		for i := range 20 {
			hub.revoke(fmt.Sprint("more_", i))
			pass(10 * time.Millisecond)
		}
		pass(time.Second)
		if n := len(strings.Fields(hub.takeConfirmed())); n == 0 || n > 3 {
			t.Errorf("%d confirmations of changes within 200 ms; want one or two", n)
		}
		hub.set(func() { hub.changes = append(hub.changes, grant()) })
		pass(time.Second)
		want("what cannot be added", "")
		other.set(func() { other.changes = hub.changes })
		hub.kill()
		pass(10 * time.Second)
		if got := other.takeConfirmed(); got == "" {
			t.Error("nothing is confirmed at the next hub")
		}
	})
}

func decisionOf(session string, at time.Time) auth.Decision {
	return auth.Decision{Peer: "192.0.2.1:5000", UserAgent: "Browser/1.0", Identity: &auth.Identity{
		Issuer: issuer, Subject: "user_ada", SessionID: session, IssuedAt: at, ExpiresAt: at.Add(time.Minute),
		AuthorizedParty: "https://app.example.com", ClientID: "client_1", TokenID: "jti_1",
		Organization: auth.Organization{ID: "org_acme"}, Actor: &auth.Actor{Subject: "user_otto"},
	}}
}

func TestASessionThatWasSeenIsReported(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		pass(10 * time.Second)
		if _, n, _ := hub.takeReports(); n != 0 {
			t.Errorf("%d reports; want none while nothing is seen", n)
		}
		start := time.Now()
		follower.Observe(t.Context(), decisionOf("sess_1", start))
		<-time.After(100 * time.Millisecond)
		follower.Observe(t.Context(), decisionOf("sess_1", start))
		pass(2 * time.Second)
		sessions, n, _ := hub.takeReports()
		if n != 1 || len(sessions) != 1 {
			t.Fatalf("%d reports of %v; want one of one session", n, sessions)
		}
		const want = `session:{issuer:"https://clerk.example.com" session_id:"sess_1" subject:"user_ada"} organization_id:"org_acme" actor:{subject:"user_otto"} ` +
			`authorized_party:"https://app.example.com" client_id:"client_1" user_agent:"Browser/1.0" ip_address:"192.0.2.1" first_seen_time:{`
		seen := sessions[0]
		if got := strings.ReplaceAll(seen.String(), "  ", " "); !strings.HasPrefix(got, want) {
			t.Errorf("reported %s; want %s…", got, want)
		}
		if !seen.GetFirstSeenTime().AsTime().Equal(start) || seen.GetLastSeenTime().AsTime().Sub(start) > 100*time.Millisecond ||
			!seen.GetTokenIssueTime().AsTime().Equal(start) || seen.GetTokenExpireTime().AsTime().Sub(start) != time.Minute || seen.GetTokenId() != "jti_1" {
			t.Errorf("reported %v; want its times", seen)
		}
	})
}

func TestWhatIsNewOfASessionIsReported(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		start := time.Now()
		elsewhere := decisionOf("sess_1", start)
		elsewhere.Identity.Organization.ID = "org_other"
		machine, anonymous, refused, bare := decisionOf("sess_1", start), decisionOf("sess_1", start), decisionOf("sess_9", start), decisionOf("", start)
		machine.Identity.Kind, anonymous.Identity, refused.Refusal = auth.KindMachine, nil, auth.NewError(auth.TokenRevoked, nil)
		for _, step := range []struct {
			what     string
			decision auth.Decision
			want     string
		}{
			{"its first call", decisionOf("sess_1", start), "org_acme"},
			{"the same token", decisionOf("sess_1", start), ""},
			{"a token as new, of another organization", elsewhere, "org_other"},
			{"an older token", decisionOf("sess_1", start.Add(-time.Minute)), ""},
			{"a newer token", decisionOf("sess_1", start.Add(time.Second)), "org_acme"},
			{"a machine", machine, ""},
			{"nobody", anonymous, ""},
			{"a refused call", refused, ""},
			{"a token without a session", bare, ""},
		} {
			follower.Observe(t.Context(), step.decision)
			pass(2 * time.Second)
			sessions, _, _ := fleet.hubs[0].takeReports()
			if got := sessions; step.want == "" && len(got) > 0 || step.want != "" && (len(got) != 1 || got[0].GetOrganizationId() != step.want) {
				t.Errorf("%s: reported %v; want %q", step.what, got, step.want)
			}
		}
		pass(time.Minute)
		follower.Observe(t.Context(), decisionOf("sess_1", start))
		pass(2 * time.Second)
		if sessions, _, _ := fleet.hubs[0].takeReports(); len(sessions) != 1 || sessions[0].GetTokenIssueTime().AsTime().Sub(start) != time.Second || time.Since(sessions[0].GetLastSeenTime().AsTime()) > 2*time.Second {
			t.Errorf("after a minute: %v; want the newest token and the last call", sessions)
		}
	})
}

// While no hub takes reports, the latest sessions are kept, and the others are counted.
func TestSessionsThatCannotBeReportedAreBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		hub.set(func() { hub.reportRefusal = connect.NewError(connect.CodeUnavailable, nil) })
		start := time.Now()
		for i := range 3 * maxSeen {
			follower.Observe(t.Context(), decisionOf(fmt.Sprint("sess_", i), start))
			if i%maxSeen == 0 {
				pass(2 * time.Second)
			}
		}
		pass(2 * time.Second)
		kept := 0
		for i := range follower.seen.shards {
			shard := &follower.seen.shards[i]
			kept += len(shard.slots)
			if len(shard.ring) != maxSeen/seenShards || len(shard.due) > 2*maxSeen/seenShards {
				t.Errorf("a shard has %d sessions, and a list of %d", len(shard.ring), len(shard.due))
			}
		}
		status := follower.Status()
		if kept > maxSeen || status.Unreported != int64(3*maxSeen-kept) {
			t.Errorf("%d are kept, %d are unreported, of %d", kept, status.Unreported, 3*maxSeen)
		}
		hub.set(func() { hub.reportRefusal = nil })
		pass(2 * time.Second)
		sessions, n, _ := hub.takeReports()
		if len(sessions) != kept || n != (kept+reportAtOnce-1)/reportAtOnce || follower.Status().Unreported != status.Unreported {
			t.Errorf("%d sessions in %d reports, %+v; want %d", len(sessions), n, follower.Status(), kept)
		}
		hub.set(func() { hub.rejects = 3 })
		follower.Observe(t.Context(), decisionOf("one", start))
		pass(2 * time.Second)
		if got := follower.Status().Unreported - status.Unreported; got != 1 {
			t.Errorf("%d are rejected of one; want 1", got)
		}
		hub.set(func() { hub.reportRefusal = refuse(connect.CodeInvalidArgument, errorv1.Reason_REASON_INVALID_REQUEST) })
		follower.Observe(t.Context(), decisionOf("two", start))
		pass(2 * time.Second)
		hub.set(func() { hub.reportRefusal, hub.rejects = nil, 0 })
		pass(10 * time.Second)
		if sessions, _, _ = hub.takeReports(); len(sessions) != 1 || follower.Status().Unreported-status.Unreported != 2 {
			t.Errorf("%v, %+v; want what no hub takes given up", sessions, follower.Status())
		}
	})
}

func TestSessionsAreReportedToTheNextHub(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, fleet *fleet, follower *Follower) {
		one, other := fleet.hubs[0], fleet.hubs[1]
		if follower.Status().Hub == other.url {
			one, other = other, one
		}
		one.kill()
		follower.Observe(t.Context(), decisionOf("sess_1", time.Now()))
		pass(10 * time.Second)
		if sessions, _, _ := other.takeReports(); len(sessions) != 1 || follower.Status().Unreported != 0 {
			t.Errorf("reported %v, %+v; want one session", sessions, follower.Status())
		}
	})
}

func TestObservingIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSeen()
		now := time.Now()
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 300 {
					d := decisionOf(fmt.Sprint("sess_", i%100), now.Add(time.Duration(g*i)*time.Second))
					s.note(d.Identity, &d, now)
					if i%50 == 0 {
						sessions, _, _ := s.take(now)
						s.putBack(sessions)
					}
				}
			})
		}
		wg.Wait()
		if sessions, _, dropped := s.take(now); len(sessions) != 100 || dropped != 0 {
			t.Errorf("%d sessions, %d dropped; want 100", len(sessions), dropped)
		}
	})
}

func TestAUserAgentIsKeptWithoutTheRestOfIt(t *testing.T) {
	t.Parallel()
	f, now := &Follower{seen: newSeen()}, time.Now()
	d := decisionOf("sess_1", now)
	d.UserAgent = strings.Repeat("x", 10_000)
	f.Observe(t.Context(), d)
	_, messages, _ := f.seen.take(now)
	if got := messages[0].GetUserAgent(); got != d.UserAgent[:maxUserAgent] || unsafe.StringData(got) == unsafe.StringData(d.UserAgent) {
		t.Errorf("%d bytes of %d are kept in the same memory; want a copy of %d", len(got), len(d.UserAgent), maxUserAgent)
	}
}

// BenchmarkObserve notes a call of a session that was seen before.
func BenchmarkObserve(b *testing.B) {
	f := &Follower{seen: newSeen()}
	now := time.Now()
	decisions := make([]auth.Decision, 1000)
	for i := range decisions {
		decisions[i] = decisionOf(fmt.Sprintf("sess_%027d", i), now)
		f.Observe(b.Context(), decisions[i])
	}
	f.seen.take(now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Observe(b.Context(), decisions[i%len(decisions)])
	}
}
