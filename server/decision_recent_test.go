package server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// everyRecent is more than a server keeps.
const everyRecent = 10_000

// watchRecent begins to watch, and returns what was decided before, too.
func (tr endpoint) watchRecent(t *testing.T, token string, count int32, filter *decisionv1.WatchDecisionsFilter) (*watched, *decisionv1.RecentDecisions) {
	t.Helper()
	stream, err := tr.decisions(t, token).WatchDecisions(t.Context(), &decisionv1.WatchDecisionsRequest{Filter: filter, RecentCount: count})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	w := &watched{stream: stream}
	w.receive(t)
	return w, stream.Msg().GetRecent()
}

// refusedWhoAmI makes a call that is refused since its token has expired, and returns its
// request id as the caller gets it.
func (r *running) refusedWhoAmI(t *testing.T, tr endpoint, subject string) string {
	t.Helper()
	err := tr.whoAmI(t, r.issuer.Session(subject, authtest.IssuedAt(time.Now().Add(-2*time.Hour))))
	if reason, _ := reasonOf(err); reason != auth.TokenExpired {
		t.Fatalf("refused with %v", err)
	}
	return requestIDIn(err)
}

func requestIDs(of []*decisionv1.Decision) (ids []string) {
	for _, d := range of {
		ids = append(ids, d.GetRequestId())
	}
	return ids
}

func TestAWatchBeginsWithWhatWasDecidedBefore(t *testing.T) {
	t.Parallel()
	for _, name := range transportNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			tr, operator := r.transports()[name], r.issuer.Session("user_otto")
			ids := []string{r.refusedWhoAmI(t, tr, "user_ada"), r.refusedWhoAmI(t, tr, "user_ben"), r.refusedWhoAmI(t, tr, "user_ada")}
			if err := tr.whoAmI(t, r.issuer.Session("user_cleo")); err != nil {
				t.Fatal(err)
			}
			expired := "TOKEN_EXPIRED"
			refused := decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED
			for test, c := range map[string]struct {
				filter  *decisionv1.WatchDecisionsFilter
				count   int32
				want    []string
				counted int64 // with TOKEN_EXPIRED; -1 where nothing is counted
			}{
				"of a reason":           {&decisionv1.WatchDecisionsFilter{Reason: &expired}, everyRecent, ids, 3},
				"of an outcome":         {&decisionv1.WatchDecisionsFilter{Outcome: &refused}, everyRecent, ids, 3},
				"the latest":            {&decisionv1.WatchDecisionsFilter{Reason: &expired}, 2, ids[1:], 3},
				"of a subject":          {&decisionv1.WatchDecisionsFilter{Subject: new("user_ada")}, everyRecent, []string{ids[0], ids[2]}, -1},
				"of a request id":       {&decisionv1.WatchDecisionsFilter{RequestId: &ids[1]}, 1, ids[1:2], -1},
				"of an unknown request": {&decisionv1.WatchDecisionsFilter{RequestId: new("none")}, 1, nil, -1},
				"of an unknown trace":   {&decisionv1.WatchDecisionsFilter{TraceId: new("0af7")}, everyRecent, nil, -1},
			} {
				_, recent := tr.watchRecent(t, operator, c.count, c.filter)
				if got := requestIDs(recent.GetDecisions()); fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("%s: sent %v; want %v", test, got, c.want)
				}
				if got := countOf(recent, expired); got != c.counted {
					t.Errorf("%s: %d were counted; want %d", test, got, c.counted)
				}
				refusedSince := recent.GetRefusedSinceTime().AsTime()
				if oldest := recent.GetDecisions(); c.count == 2 && refusedSince.After(oldest[0].GetDecisionTime().AsTime()) || time.Since(refusedSince) > time.Hour {
					t.Errorf("%s: refusals are there since %v", test, refusedSince)
				}
			}

			w, recent := tr.watchRecent(t, operator, everyRecent, nil)
			admitted := 0
			for i, d := range recent.GetDecisions() {
				if i > 0 && d.GetDecisionTime().AsTime().Before(recent.GetDecisions()[i-1].GetDecisionTime().AsTime()) {
					t.Errorf("%v comes after %v", d, recent.GetDecisions()[i-1])
				}
				if d.GetSubject() == "user_cleo" && d.GetOutcome() == decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED {
					admitted++
				}
			}
			if admitted != 1 || recent.GetAdmittedSinceTime() == nil || recent.GetCountedSinceTime() == nil {
				t.Errorf("sent %v", recent)
			}
			later := r.refusedWhoAmI(t, tr, "user_dan")
			w.until(t, ofSubject("user_dan"))
			for i, d := range w.all {
				if d.GetSubject() == "user_cleo" || d.GetSubject() == "user_dan" && d.GetRequestId() != later {
					t.Errorf("decision %d of those that came later is %v", i, d)
				}
			}
			if w.stream.Msg().GetRecent() != nil {
				t.Error("a later message has recent ones, too")
			}
			if _, none := tr.watchRecent(t, operator, 0, nil); none != nil {
				t.Errorf("sent %v without being asked", none)
			}
		})
	}
}

// countOf returns how many decisions were counted with a reason; -1 where nothing was.
func countOf(recent *decisionv1.RecentDecisions, reason string) (sum int64) {
	if recent.GetCountedSinceTime() == nil {
		return -1
	}
	for _, c := range recent.GetCounts() {
		for _, m := range c.GetMinutes() {
			if c.GetReason() == reason {
				sum += m.GetCount()
			}
		}
	}
	return sum
}

// Calls are refused while watches begin: each is among the recent ones or comes later.
func TestNoDecisionIsMissedOrDoubledWhereAWatchBegins(t *testing.T) {
	t.Parallel()
	const callers, each = 4, 60
	r := start(t, withOperator)
	operator := r.issuer.Session("user_otto")
	var calls sync.WaitGroup
	half := make(chan struct{}, callers)
	transports := r.transports()
	for i := range callers {
		tr := transports[transportNames()[i%len(transports)]]
		calls.Go(func() {
			for n := range each {
				if n == each/2 {
					half <- struct{}{}
				}
				_ = tr.whoAmI(t, r.issuer.Session(fmt.Sprintf("user_%d_%d", i, n), authtest.IssuedAt(time.Now().Add(-2*time.Hour))))
			}
		})
	}
	<-half // others are on their way
	begun := map[string]*watched{}
	expired := &decisionv1.WatchDecisionsFilter{Reason: new("TOKEN_EXPIRED")}
	for name, tr := range transports {
		w, recent := tr.watchRecent(t, operator, everyRecent, expired)
		if n := len(recent.GetDecisions()); int64(n) != countOf(recent, "TOKEN_EXPIRED") || n == 0 {
			t.Errorf("%s: %d were sent, and %d were counted", name, n, countOf(recent, "TOKEN_EXPIRED"))
		}
		w.all = append(recent.GetDecisions(), w.all...)
		begun[name] = w
	}
	calls.Wait()
	last := transports[transportNames()[0]]
	_ = r.refusedWhoAmI(t, last, "user_last")
	for name, w := range begun {
		w.until(t, ofSubject("user_last"))
		seen := map[string]int{}
		for _, d := range w.all {
			seen[d.GetSubject()]++
		}
		if len(seen) != callers*each+1 || len(w.all) != len(seen) || w.missed != 0 {
			t.Errorf("%s: got %d of %d subjects, %d missed", name, len(w.all), len(seen), w.missed)
		}
	}
}

// Decisions can be of the same time: then not all of that time are there.
func TestTheTimeSinceWhichAllAreThereIsAfterTheLastThatIsLeftOut(t *testing.T) {
	t.Parallel()
	at := time.Now()
	recent := &decisions.Recent{Records: []*decisions.Record{{Time: at, Outcome: decisions.Refused}, {Time: at, Outcome: decisions.Refused}}}
	got := recentDecisions(recent, &decisionFilter{WatchDecisionsFilter: new(decisionv1.WatchDecisionsFilter)}, 1)
	if len(got.GetDecisions()) != 1 || !got.GetRefusedSinceTime().AsTime().After(at) {
		t.Errorf("%d are there, all since %v; want 1, and a time after %v", len(got.GetDecisions()), got.GetRefusedSinceTime().AsTime(), at)
	}
}

func TestOperatorsAloneSeeWhatWasDecidedBefore(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_ = r.refusedWhoAmI(t, tr, "user_ben")
			for token, want := range map[string]connect.Code{r.issuer.Session("user_ada"): connect.CodePermissionDenied, r.issuer.Session("user_otto"): connect.CodeInvalidArgument} {
				count := int32(everyRecent)
				if want == connect.CodeInvalidArgument {
					count = -1
				}
				stream, err := tr.decisions(t, token).WatchDecisions(t.Context(), &decisionv1.WatchDecisionsRequest{RecentCount: count})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = stream.Close() })
				if stream.Receive() || connect.CodeOf(stream.Err()) != want || want == connect.CodeInvalidArgument && !strings.Contains(stream.Err().Error(), "recent_count") {
					t.Errorf("with the count %d it ends with %v", count, stream.Err())
				}
			}
		})
	}
}

func TestAFilterAsksForTheValueOfItsField(t *testing.T) {
	t.Parallel()
	refused := decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED
	value := "this"
	for name, test := range map[string]struct {
		filter  *decisionv1.WatchDecisionsFilter
		matches decisions.Record
		counted bool // by the minute
	}{
		"issuer":     {&decisionv1.WatchDecisionsFilter{Issuer: &value}, decisions.Record{Issuer: value}, false},
		"subject":    {&decisionv1.WatchDecisionsFilter{Subject: &value}, decisions.Record{Subject: value}, false},
		"procedure":  {&decisionv1.WatchDecisionsFilter{Procedure: &value}, decisions.Record{Procedure: value}, false},
		"reason":     {&decisionv1.WatchDecisionsFilter{Reason: &value}, decisions.Record{Reason: value}, true},
		"outcome":    {&decisionv1.WatchDecisionsFilter{Outcome: &refused}, decisions.Record{Outcome: decisions.Refused}, true},
		"service":    {&decisionv1.WatchDecisionsFilter{Service: &value}, decisions.Record{Service: value}, false},
		"request id": {&decisionv1.WatchDecisionsFilter{RequestId: &value}, decisions.Record{RequestID: value}, false},
		"trace id":   {&decisionv1.WatchDecisionsFilter{TraceId: &value}, decisions.Record{TraceID: value}, false},
	} {
		var faults rpcerror.Violations
		filter := readDecisionFilter(test.filter, &faults)
		if faults.Err() != nil || !filter.matches(&test.matches) || filter.matches(new(decisions.Record)) || filter.isCounted() != test.counted {
			t.Errorf("%s: %v; it matches %v and nothing else: %v, %v", name, faults.Err(), test.matches, filter.matches(&test.matches), filter.matches(new(decisions.Record)))
		}
	}
}

// A message of gRPC has at most 4 MiB, unless its reader allows more.
func TestTheMostThatIsKeptFitsIntoAMessage(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	long := strings.Repeat("ä", 4<<10) // each text is cut
	now := time.Now()
	for i := range 4000 {
		r.observe(t.Context(), auth.Decision{
			Procedure: "/acme.note.v1.NoteService/Get", Protocol: "grpc", RequestID: fmt.Sprint(i),
			Identity: &auth.Identity{Issuer: long[:500], Subject: long[:500], TokenID: long[:500], Kind: auth.KindMachine, RawClaims: strings.Repeat("x", 1600)},
		})
		r.observe(t.Context(), auth.Decision{
			Procedure: "/acme.note.v1.NoteService/Get", Protocol: "grpc", RequestID: fmt.Sprint(i),
			Refusal: &auth.Error{Reason: auth.TokenExpired, Cause: errors.New(long[:i]), Verified: &auth.VerifiedToken{Issuer: long[:i], Subject: long[:i]}},
		})
		for _, outcome := range []decisionv1.DecisionOutcome{1, 2} {
			r.decisions.Report(&feedv1.Follower{Service: "billing"}, []*decisionv1.Decision{{
				DecisionTime: timestamppb.New(now), Outcome: outcome, Count: 1, Procedure: long, Subject: long[:i], Cause: long, RequestId: long[:i],
			}}, now)
		}
	}
	_, recent := r.transports()["gRPC"].watchRecent(t, r.issuer.Session("user_otto"), everyRecent, nil)
	if size := proto.Size(recent); size < 1<<20 || size > 3<<20 {
		t.Errorf("%d decisions have %d bytes", len(recent.GetDecisions()), size)
	}
}
