package decisions

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// recent returns what is kept, and the kept records by their outcome.
func recent(l *Log) (*Recent, map[string][]*Record) {
	w, r := l.WatchRecent()
	w.Close()
	by := map[string][]*Record{}
	for _, record := range r.Records {
		by[record.Outcome] = append(by[record.Outcome], record)
	}
	return r, by
}

func TestCallsThatAreAdmittedPushOutNoRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := opened(t, None)
		begun := time.Now()
		<-time.After(time.Second)
		l.Observe(t.Context(), refusedCall(auth.TokenExpired, true))
		for range maxRecent + 100 {
			<-time.After(time.Millisecond)
			l.Observe(t.Context(), admittedCall())
		}
		r, by := recent(l)
		if len(by[Refused]) != 1 || len(by[Admitted]) != maxRecent {
			t.Fatalf("%d refused and %d admitted are kept", len(by[Refused]), len(by[Admitted]))
		}
		if first := by[Admitted][0].Time; !r.AdmittedSince.After(first.Add(-time.Millisecond)) || r.AdmittedSince.After(first) {
			t.Errorf("all that were admitted are kept since %v; the first is of %v", r.AdmittedSince, first)
		}
		if !r.RefusedSince.Equal(begun) || !r.CountedSince.Equal(begun) {
			t.Errorf("all that were refused are kept since %v, and counted since %v; want %v", r.RefusedSince, r.CountedSince, begun)
		}
		for i, record := range r.Records {
			if i > 0 && record.Time.Before(r.Records[i-1].Time) || record.ID == "" {
				t.Fatalf("record %d is %+v", i, record)
			}
		}
	})
}

// Strangers can have calls to all methods refused for many reasons, each of which is recorded
// ten times.
func TestStrangersPushOutNoRefusalOfAKnownCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := opened(t, None)
		begun := time.Now()
		l.Observe(t.Context(), refusedCall(auth.TokenRevoked, true))
		report := &decisionv1.Decision{DecisionTime: timestamppb.Now(), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED, Reason: "TOKEN_REVOKED", Issuer: ada.Issuer, Count: 1}
		l.Report(&feedv1.Follower{Service: "billing"}, []*decisionv1.Decision{report}, time.Now())
		<-time.After(time.Millisecond)
		report = &decisionv1.Decision{DecisionTime: timestamppb.Now(), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_REFUSED, Reason: "TOKEN_MISSING", Count: 1}
		for i := range 2 * maxRecent {
			d := refusedCall(auth.TokenMissing, false)
			d.Procedure = fmt.Sprint(i / maxAlike)
			l.Observe(t.Context(), d)
			l.Report(&feedv1.Follower{Service: "billing"}, []*decisionv1.Decision{report}, time.Now())
		}
		r, by := recent(l)
		reasons := map[string]int{}
		for _, record := range by[Refused] {
			reasons[record.Reason]++
		}
		if reasons["TOKEN_REVOKED"] != 2 || reasons["TOKEN_MISSING"] < maxRecent || reasons["TOKEN_MISSING"] > 2*maxRecent {
			t.Errorf("kept are %v", reasons)
		}
		if !r.RefusedSince.After(begun) {
			t.Errorf("all that were refused are kept since %v, though some are gone", r.RefusedSince)
		}
	})
}

// The clock of a service that is ahead takes no count from the first minute of the hour.
func TestAServiceWhoseClockIsAheadTakesNoCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := opened(t, None)
		report := func(at time.Time) {
			m := &decisionv1.Decision{DecisionTime: timestamppb.New(at), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED, Count: 1}
			l.Report(&feedv1.Follower{Service: "billing"}, []*decisionv1.Decision{m}, time.Now())
		}
		report(time.Now())
		<-time.After((minutes - 1) * time.Minute)
		report(time.Now().Add(time.Minute))
		if r, _ := recent(l); len(r.Counts) != 2 {
			t.Errorf("counted %v since %v", r.Counts, r.CountedSince)
		}
	})
}

// What is gone was decided before all that is kept is said to be kept, also by a clock that is ahead.
func TestAServiceWhoseClockIsAheadIsNotSaidToBeKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := opened(t, None)
		ahead := time.Now().Add(maxAhead)
		for i := range maxRecent + 1 {
			m := &decisionv1.Decision{DecisionTime: timestamppb.Now(), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED, Count: 1}
			if i == 0 {
				m.DecisionTime = timestamppb.New(ahead)
			}
			l.Report(&feedv1.Follower{Service: "billing"}, []*decisionv1.Decision{m}, time.Now())
		}
		if r, by := recent(l); len(by[Admitted]) >= maxRecent+1 || !r.AdmittedSince.After(ahead) {
			t.Errorf("%d are kept, and all since %v; want none of %v", len(by[Admitted]), r.AdmittedSince, ahead)
		}
	})
}

// Each decision is among the recent ones or comes later, and none does both, while calls go on.
func TestNothingIsMissedOrDoubledWhereAWatchBegins(t *testing.T) {
	t.Parallel()
	const rounds, callers, each, watches = 300, 4, 100, 8
	during := 0
	for range rounds {
		l, _ := opened(t, None)
		var calls sync.WaitGroup
		begun := make(chan struct{}, callers)
		for i := range callers {
			calls.Go(func() {
				begun <- struct{}{}
				for range each {
					if i%2 == 0 {
						l.Observe(t.Context(), admittedCall())
					} else {
						l.Observe(t.Context(), refusedCall(auth.TokenExpired, true))
					}
				}
			})
		}
		<-begun
		var watchers [watches]*Watcher
		var befores [watches]*Recent
		for i := range watches {
			watchers[i], befores[i] = l.WatchRecent()
		}
		calls.Wait()
		for i, w := range watchers {
			if before := beforeAndLater(t, w, befores[i], callers*each); before > 0 && before < callers*each {
				during++
			}
			w.Close()
		}
	}
	if during < rounds/10 {
		t.Errorf("only %d watches have begun while calls went on", during)
	}
}

// beforeAndLater checks that a watch has so many decisions, each once, and returns how many were
// before it.
func beforeAndLater(t *testing.T, w *Watcher, recent *Recent, want int) (before int) {
	t.Helper()
	for _, c := range recent.Counts {
		before += int(c.Count)
	}
	numbers := map[int]bool{}
	for _, r := range recent.Records {
		numbers[number(t, *r)] = true
	}
	if before != len(recent.Records) || before != len(numbers) {
		t.Fatalf("%d were counted before, and %d were sent", before, len(recent.Records))
	}
	for {
		records, missed, _, _ := w.Next()
		if missed > 0 {
			t.Fatalf("missed %d", missed)
		}
		for _, r := range records {
			n := number(t, *r)
			if numbers[n] || n <= before {
				t.Fatalf("%d comes after the first %d", n, before)
			}
			numbers[n] = true
		}
		if len(records) == 0 {
			break
		}
	}
	if len(numbers) != want {
		t.Fatalf("%d were before, and %d later; want %d", before, len(numbers)-before, want)
	}
	return before
}

func TestWhatIsKeptIsBoundedByItsBytes(t *testing.T) {
	t.Parallel()
	l, _ := opened(t, None)
	long := strings.Repeat("x", 2*maxCause)
	var last *auth.Identity
	for i := range 2 * maxRecent {
		d := refusedCall(auth.TokenExpired, true)
		d.Refusal.Cause = errors.New(long)
		d.Refusal.Verified.Subject = long
		l.Observe(t.Context(), d)
		last = &auth.Identity{Subject: fmt.Sprint(i), Kind: auth.KindMachine, RawClaims: strings.Repeat("x", 8<<10)}
		l.Observe(t.Context(), auth.Decision{Procedure: "/a", Identity: last})
	}
	for name, k := range map[string]*kept{"refused": &l.entries.history.refused, "admitted": &l.entries.history.admitted} {
		sum := 0
		in := k.clone().entries
		for _, e := range in {
			sum += e.size()
		}
		if sum != k.bytes || sum > maxRecentBytes || sum < maxRecentBytes-10<<10 || len(in) >= maxRecent/2 {
			t.Errorf("%s: %d entries of %d bytes are counted as %d", name, len(in), sum, k.bytes)
		}
	}
	_, by := recent(l)
	if of := by[Admitted]; of[len(of)-1].Subject != last.Subject {
		t.Error("the latest is not kept")
	}
}

func TestARefusalThatIsKeptKeepsNoTokenInMemory(t *testing.T) {
	t.Parallel()
	l, _ := opened(t, None)
	token := strings.Repeat("x", 1<<20)
	gone := weak.Make(unsafe.StringData(token))
	d := refusedCall(auth.TokenExpired, true)
	d.Refusal.Verified = &auth.VerifiedToken{Subject: token[:10], SessionID: token[10:20]}
	l.Observe(t.Context(), d)
	runtime.GC()
	if gone.Value() != nil {
		t.Error("all claims of the token are in memory")
	}
	if _, by := recent(l); by[Refused][0].Subject != "xxxxxxxxxx" {
		t.Errorf("kept is %+v", by[Refused][0])
	}
}

func TestDecisionsAreCountedByTheMinuteForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := opened(t, None)
		l.Observe(t.Context(), admittedCall())
		<-time.After(59*time.Minute + 59*time.Second) // the bubble begins with a minute
		for range 3 {
			l.Observe(t.Context(), refusedCall(auth.TokenExpired, true))
		}
		report := func(at time.Time) {
			m := &decisionv1.Decision{DecisionTime: timestamppb.New(at), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED, Count: 41}
			if l.Report(&feedv1.Follower{Service: "billing"}, []*decisionv1.Decision{m}, time.Now()) != 0 {
				t.Error("it is rejected")
			}
		}
		now := time.Now()
		report(now)
		for _, old := range []time.Time{now.Add(-2 * time.Hour), time.Unix(0, 0), time.Unix(-1e9, 0), {}} {
			report(old)
		}
		counts := func() map[string]int64 {
			r, _ := recent(l)
			sums := map[string]int64{}
			for _, c := range r.Counts {
				sums[fmt.Sprint(c.Outcome, c.Reason, now.Truncate(time.Minute).Sub(c.Minute))] += c.Count
			}
			return sums
		}
		if got, want := fmt.Sprint(counts()), "map[admitted0s:41 admitted59m0s:1 refusedTOKEN_EXPIRED0s:3]"; got != want {
			t.Errorf("counted %s; want %s", got, want)
		}
		<-time.After(time.Second)
		if got, want := fmt.Sprint(counts()), "map[admitted0s:41 refusedTOKEN_EXPIRED0s:3]"; got != want {
			t.Errorf("counted %s a second later; want %s", got, want)
		}
		<-time.After(time.Hour)
		if got := counts(); len(got) != 0 {
			t.Errorf("counted %v an hour later", got)
		}
		l.Observe(t.Context(), admittedCall())
		if r, _ := recent(l); len(r.Counts) != 1 || r.Counts[0].Count != 1 || !r.CountedSince.Equal(time.Now().Truncate(time.Minute).Add(-59*time.Minute)) {
			t.Errorf("counted %v since %v", r.Counts, r.CountedSince)
		}
	})
}

// Strangers' decisions are counted as they are recorded: those that are counted together are not
// counted before, so that who adds up what comes later counts none twice.
func TestStrangersAreCountedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := opened(t, None)
		const calls = 100
		for range calls {
			l.Observe(t.Context(), refusedCall(auth.TokenMissing, false))
		}
		w, before := l.WatchRecent()
		defer w.Close()
		<-time.After(interval)
		synctest.Wait()
		records, _, _, _ := w.Next()
		if len(before.Records) != maxAlike || before.Counts[0].Count != maxAlike || len(records) != 1 || records[0].Count != calls-maxAlike {
			t.Errorf("%d before, %v counted, later %+v", len(before.Records), before.Counts, records)
		}
		if r, _ := recent(l); r.Counts[0].Count != calls {
			t.Errorf("counted %v", r.Counts)
		}
	})
}
