package feed

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// takeDecisions returns the decisions that were reported since the last call, and how many
// they stand for by kind.
func (h *hub) takeDecisions() (decisions []*decisionv1.Decision, sums map[string]int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	decisions, h.decisions = h.decisions, nil
	sums = make(map[string]int64)
	for _, m := range decisions {
		sums[strings.TrimSpace(strings.TrimPrefix(m.GetOutcome().String(), "DECISION_OUTCOME_")+" "+m.GetReason())] += m.GetCount()
	}
	return decisions, sums
}

func admittedCall(procedure string) auth.Decision {
	return auth.Decision{Procedure: procedure, Protocol: "connect", Peer: "192.0.2.1:5000"}
}

func refusedCall(procedure string, reason auth.Reason, verified bool) auth.Decision {
	d := admittedCall(procedure)
	d.RequestID, d.Refusal = "request_1", &auth.Error{Reason: reason, Cause: errors.New("it is so")}
	if verified {
		d.Refusal.Verified = &auth.VerifiedToken{Issuer: issuer, Subject: "user_ada", SessionID: "sess_1", KeyID: "ins_1", TokenID: "jti_1"}
	}
	return d
}

func TestDecisionsAreReportedAndCountedExactly(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		pass(time.Minute)
		if all, _ := hub.takeDecisions(); len(all) != 0 {
			t.Errorf("reported %v; want nothing while nothing is decided", all)
		}
		ended := refusedCall("/a/B", auth.TokenRevoked, true)
		ended.Ended, ended.Duration = true, time.Millisecond
		for range 30 {
			follower.Observe(t.Context(), admittedCall("/a/B"))
			follower.Observe(t.Context(), admittedCall("/a/C"))
			follower.Observe(t.Context(), refusedCall("/a/B", auth.TokenMissing, false))
		}
		follower.Observe(t.Context(), ended)
		pass(2 * time.Second)
		all, total := hub.takeDecisions()
		if len(all) < 2 || all[1].GetReason() != "TOKEN_MISSING" {
			t.Fatalf("reported %v; want the refusal of a verified token, and then one of a stranger", all)
		}
		if got := all[0]; got.GetIssuer() != issuer || got.GetSubject() != "user_ada" || got.GetSessionId() != "sess_1" || got.GetKeyId() != "ins_1" || got.GetTokenId() != "jti_1" ||
			got.GetCause() != "it is so" || got.GetPeer() != "192.0.2.1:5000" || got.GetRequestId() != "request_1" || got.GetDuration().AsDuration() != time.Millisecond ||
			got.GetOutcome() != decisionv1.DecisionOutcome_DECISION_OUTCOME_ENDED || got.GetCount() != 1 || time.Since(got.GetDecisionTime().AsTime()) > 3*time.Second {
			t.Errorf("reported %v", got)
		}
		add := func() (sums map[string]int64) {
			_, sums = hub.takeDecisions()
			for kind, n := range sums {
				total[kind] += n
			}
			return sums
		}
		for range 70 {
			follower.Observe(t.Context(), admittedCall("/a/B"))
			follower.Observe(t.Context(), refusedCall("/a/B", auth.TokenMissing, false))
		}
		pass(countInterval + 2*time.Second)
		add()
		follower.Observe(t.Context(), admittedCall("/a/B"))
		pass(2 * time.Second)
		add()
		follower.Observe(t.Context(), admittedCall("/a/B"))
		if err := follower.Close(); err != nil {
			t.Fatal(err)
		}
		if sums := add(); sums["ADMITTED"] == 0 {
			t.Error("what was not reported yet is not reported by Close")
		}
		if want := map[string]int64{"ADMITTED": 132, "REFUSED TOKEN_MISSING": 100, "ENDED TOKEN_REVOKED": 1}; !maps.Equal(total, want) {
			t.Errorf("reported %v; want %v", total, want)
		}
	})
}

// What strangers cause is bounded, counted, and pushes no refusal of a verified token out.
func TestAFloodOfStrangersIsCounted(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		const flood, verified = 30_000, 50
		for i := range flood {
			follower.Observe(t.Context(), refusedCall(fmt.Sprint("/flood/", i, strings.Repeat("\xffx", 2000)), auth.TokenMalformed, false))
			if i%(flood/verified) == 0 {
				follower.Observe(t.Context(), refusedCall("/a/B", auth.TokenExpired, true))
			}
		}
		if err := follower.Close(); err != nil {
			t.Fatal(err)
		}
		all, sums := hub.takeDecisions()
		var known, sampled int
		for i, m := range all {
			switch {
			case m.GetSubject() != "":
				if known++; i >= verified {
					t.Fatalf("a refusal of a verified token comes at %d", i)
				}
			case m.GetPeer() != "":
				sampled++
			}
			if len(m.GetProcedure()) > maxText {
				t.Fatalf("a procedure of %d bytes", len(m.GetProcedure()))
			}
		}
		if known != verified || sampled != maxStrangers || sums["REFUSED TOKEN_MALFORMED"] != flood || sums["REFUSED TOKEN_EXPIRED"] != verified || len(all) > maxCounts+200 {
			t.Errorf("%d decisions, %d of verified tokens, %d of strangers, %v", len(all), known, sampled, sums)
		}
	})
}

// A report that has failed may have arrived: what it had is lost, and counted. What a hub says
// it has not taken is reported again.
func TestDecisionsAreNeverReportedTwice(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		hub := fleet.hubs[0]
		pass(time.Second)
		decide := func() {
			for range 3 {
				follower.Observe(t.Context(), admittedCall("/a/B"))
				follower.Observe(t.Context(), refusedCall("/a/B", auth.TokenExpired, true))
			}
		}
		for name, test := range map[string]struct {
			err  error
			want int64
		}{
			"not admitted":   {refuse(connect.CodeUnauthenticated, errorv1.Reason_REASON_TOKEN_EXPIRED), 3},
			"other database": {refuse(connect.CodeFailedPrecondition, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED), 3},
			"unavailable":    {refuse(connect.CodeUnavailable, errorv1.Reason_REASON_STORE_UNAVAILABLE), 0},
			"not understood": {refuse(connect.CodeInvalidArgument, errorv1.Reason_REASON_INVALID_REQUEST), 0},
		} {
			before := follower.Status().UnreportedDecisions
			hub.set(func() { hub.reportRefusal = test.err })
			decide()
			pass(countInterval + 2*time.Second)
			hub.set(func() { hub.reportRefusal = nil })
			pass(countInterval + 2*time.Second)
			_, sums := hub.takeDecisions()
			lost := follower.Status().UnreportedDecisions - before
			if sums["ADMITTED"] != test.want || sums["REFUSED TOKEN_EXPIRED"] != test.want || lost != 2*(3-test.want) {
				t.Errorf("%s: reported %v, %d unreported; want %d of each", name, sums, lost, test.want)
			}
		}
		hub.set(func() { hub.rejects = 1 })
		before := follower.Status().UnreportedDecisions
		follower.Observe(t.Context(), refusedCall("/a/B", auth.TokenExpired, true))
		pass(2 * time.Second)
		if got := follower.Status().UnreportedDecisions - before; got != 1 {
			t.Errorf("%d are unreported of one that was rejected", got)
		}
	})
}

func BenchmarkObserveDecision(b *testing.B) {
	follower := &Follower{seen: newSeen()}
	d := admittedCall("/acme.invoice.v1.InvoiceService/GetInvoice")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			follower.Observe(b.Context(), d)
		}
	})
}
