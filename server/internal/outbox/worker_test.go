package outbox

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func TestASessionIsEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1", "sess_2")
	b.request(t, "sess_1", "sess_gone")
	b.time = b.time.Add(time.Second)
	if delay := b.work(t); delay != pollInterval {
		t.Errorf("the next round is in %s; want %s", delay, pollInterval)
	}
	b.logged(t, "INFO", "count=2 longest_wait=1s")
	for _, id := range []string{"sess_1", "sess_gone"} {
		if s := b.kept(t, id); s.Pending() || !s.EndedAt.Equal(b.time) {
			t.Errorf("%s: %+v; want it ended now", id, s)
		}
	}
	if got := b.clerk.status("sess_1"); got != "revoked, asked 1 times" {
		t.Error(got)
	}
	before := b.clerk.count()
	b.time = b.time.Add(time.Hour)
	b.work(t)
	if b.clerk.count() != before || b.clerk.status("sess_2") != "active, asked 0 times" {
		t.Error("something else was asked for")
	}
}

func TestMoreSessionsThanAtOnceAreEndedInRoundsWithoutDelay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range atOnce + 1 {
		b.request(t, fmt.Sprint("sess_", i))
	}
	for _, want := range []time.Duration{0, pollInterval} {
		if delay := b.work(t); delay != want {
			t.Errorf("the next round is in %s; want %s", delay, want)
		}
	}
	if n := b.clerk.count(); n != atOnce+1 {
		t.Errorf("%d requests; want %d", n, atOnce+1)
	}
}

func TestFailuresAreTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1", "sess_2")
	b.request(t, "sess_1", "sess_2")
	b.clerk.set(always(http.StatusInternalServerError))
	for n := 1; n <= 14; n++ {
		delay := b.work(t)
		longest := min(time.Second<<(n-1), maxProbe)
		if delay < longest/2 || delay > longest {
			t.Fatalf("round %d: the next is in %s; want half to all of %s", n, delay, longest)
		}
		for _, id := range []string{"sess_1", "sess_2"} {
			s := b.kept(t, id)
			longest := min(time.Second<<(s.Failures-1), maxBackoff)
			if due := s.DueAt.Sub(b.time); due > longest || !s.Pending() {
				t.Fatalf("%s failed %d times and is due in %s; want up to %s", id, s.Failures, due, longest)
			}
		}
		b.time = b.time.Add(maxBackoff)
	}
	b.logged(t, "WARN", "pending=2")
	if n := b.clerk.count(); n != 15 {
		t.Errorf("%d requests; want 2 in the first round and 1 in each of 13", n)
	}
	b.clerk.set(nil)
	b.work(t)
	b.work(t)
	if b.failures != 0 || b.kept(t, "sess_1").Pending() || b.kept(t, "sess_2").Pending() {
		t.Errorf("%d failures, %+v, %+v; want both ended", b.failures, b.kept(t, "sess_1"), b.kept(t, "sess_2"))
	}
	b.logged(t, "INFO", "ended sessions at their issuer")
}

func TestAWarningIsLoggedAfterAMinuteAndNotEachTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1")
	b.request(t, "sess_1")
	b.clerk.set(always(http.StatusBadGateway))
	for _, test := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {59 * time.Second, 0}, {time.Second, 1}, {warnInterval - time.Second, 1}, {time.Second, 2}} {
		b.time = b.time.Add(test.after)
		s := b.kept(t, "sess_1")
		due := s
		due.DueAt = b.time
		if err := b.db.SaveSignOut(t.Context(), s, due); err != nil {
			t.Fatal(err)
		}
		b.work(t)
		if n := strings.Count(b.logs.String(), "level=WARN"); n != test.want {
			t.Errorf("%s later there are %d warnings; want %d", test.after, n, test.want)
		}
	}
	b.logged(t, "WARN", "pending=1 longest_wait=6m0s error=\"the answer has status 502")
}

func TestTheIssuerIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1", "sess_2")
	b.request(t, "sess_1")
	b.clerk.set(always(http.StatusTooManyRequests, "Retry-After", "30"))
	b.work(t)
	b.clerk.set(nil)
	b.request(t, "sess_2")
	b.time = b.time.Add(29 * time.Second)
	if delay := b.work(t); delay != time.Second || b.clerk.count() != 1 {
		t.Errorf("%d requests, and the next round is in %s; want one, and one second", b.clerk.count(), delay)
	}
	if s := b.kept(t, "sess_1"); s.DueAt.Sub(b.time) != time.Second || s.Failures != 1 {
		t.Errorf("%+v; want it due in a second, for all servers", s)
	}
	b.time = b.time.Add(time.Second)
	b.work(t)
	b.work(t)
	for _, id := range []string{"sess_1", "sess_2"} {
		if got := b.clerk.status(id); got != "revoked, asked 1 times" {
			t.Errorf("%s is %s", id, got)
		}
	}
}

func TestAWrongKeyIsReportedAndLeavesTheSessionsToOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1")
	right := b.another(t)
	b.ender.(*Clerk).SetSecretKey("sk_test_wrong")
	b.request(t, "sess_1")
	b.work(t)
	b.logged(t, "ERROR", "the issuer refuses the secret key, so that sessions which have ended here go on there\" issuer=https://clerk.example.com pending=1")
	b.time = b.time.Add(credentialDelay - time.Second)
	if delay := b.work(t); delay != time.Second || b.clerk.count() != 1 {
		t.Errorf("%d requests, and the next round is in %s; want one, and one second", b.clerk.count(), delay)
	}
	if s := b.kept(t, "sess_1"); s.Failures != 0 || s.DueAt.After(b.time) {
		t.Errorf("%+v; want it due", s)
	}
	right.round(t.Context())
	if got := b.clerk.status("sess_1"); got != "revoked, asked 1 times" {
		t.Errorf("a server with the right key: %s", got)
	}
	b.request(t, "sess_2")
	b.time = b.time.Add(time.Second)
	b.work(t)
	if n := strings.Count(b.logs.String(), "level=ERROR"); n != 2 {
		t.Errorf("%d errors; want one for each try", n)
	}
}

func TestAnotherKeyIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1")
	clerk := b.ender.(*Clerk)
	clerk.SetSecretKey("sk_test_wrong")
	b.request(t, "sess_1")
	b.work(t)
	if clerk.SetSecretKey("sk_test_wrong") {
		t.Error("the same key is said to be another")
	}
	if !clerk.SetSecretKey(secretKey) {
		t.Error("another key is said to be the same")
	}
	outbox := &Outbox{workers: map[string]*worker{b.issuer: b.worker}}
	outbox.Resume(b.issuer)
	outbox.Resume("https://other.example.com")
	b.work(t)
	if got := b.clerk.status("sess_1"); got != "revoked, asked 1 times" {
		t.Error(got)
	}
}

func TestARefusedSessionIsReportedAndNotTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.clerk.sessions["sess_1"] = "pending"
	b.request(t, "sess_1", "not one of Clerk's")
	b.work(t)
	before := b.clerk.count()
	b.time = b.time.Add(time.Hour)
	b.work(t)
	if n := strings.Count(b.logs.String(), "level=ERROR msg=\"the issuer refuses to end a session"); n != 2 || b.clerk.count() != before {
		t.Errorf("%d errors, and %d requests more; want 2 and none", n, b.clerk.count()-before)
	}
	for _, id := range []string{"sess_1", "not one of Clerk's"} {
		if s := b.kept(t, id); s.Pending() || s.Ended() {
			t.Errorf("%+v; want it refused", s)
		}
	}
	b.clerk.sessions["sess_1"] = "active"
	b.request(t, "sess_1")
	b.work(t)
	if got := b.clerk.status("sess_1"); got != "revoked, asked 1 times" {
		t.Errorf("when it is requested again: %s", got)
	}
}

func TestOneSessionThatFailsDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_bad", "sess_good")
	b.request(t, "sess_bad")
	b.clerk.set(func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.URL.Path, "bad") && always(http.StatusInternalServerError)(w, r)
	})
	for range 5 {
		b.work(t)
		b.time = b.time.Add(b.kept(t, "sess_bad").DueAt.Sub(b.time))
	}
	b.request(t, "sess_good")
	b.time = b.time.Add(time.Millisecond)
	b.work(t)
	b.work(t)
	if got := b.clerk.status("sess_good"); got != "revoked, asked 1 times" {
		t.Error(got)
	}
}

func TestADroppedConnectionIsTriedAgainAlsoIfItWasDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1")
	b.clerk.setAfter(func() { panic(http.ErrAbortHandler) })
	b.request(t, "sess_1")
	b.work(t)
	if s := b.kept(t, "sess_1"); !s.Pending() || s.Failures != 1 || b.clerk.status("sess_1") != "revoked, asked 1 times" {
		t.Errorf("%+v, %s; want it done there, and pending here", s, b.clerk.status("sess_1"))
	}
	b.clerk.setAfter(nil)
	b.time = b.time.Add(time.Minute)
	b.work(t)
	if s := b.kept(t, "sess_1"); !s.Ended() {
		t.Errorf("%+v; want it ended", s)
	}
}

func TestWhatAnotherHasClaimedIsLeftToItForAMinute(t *testing.T) {
	t.Parallel()
	b := newBench(t, "sess_1")
	b.request(t, "sess_1")
	claimed, err := b.claim(t.Context(), b.time, 1)
	if err != nil || len(claimed) != 1 {
		t.Fatal(claimed, err)
	}
	other := b.another(t)
	b.time = b.time.Add(lease - time.Second)
	other.round(t.Context())
	if got := b.clerk.status("sess_1"); got != "active, asked 0 times" {
		t.Errorf("while it is claimed: %s", got)
	}
	b.time = b.time.Add(time.Second)
	other.round(t.Context())
	if got := b.clerk.status("sess_1"); got != "revoked, asked 1 times" {
		t.Errorf("after that: %s", got)
	}
}

func TestTwoServersEndEachSessionOnce(t *testing.T) {
	t.Parallel()
	const sessions = 100
	f, path := newFakeClerk(t), t.TempDir()+"/ostiary.db"
	b := &bench{clerk: f, db: openDB(t, path), time: time.Now()}
	var ids []string
	for i := range sessions {
		ids = append(ids, fmt.Sprint("sess_", i))
		f.sessions[ids[i]] = "active"
	}
	ended := make(chan struct{})
	f.after = func() {
		if len(f.revoked) == sessions {
			select {
			case <-ended:
			default:
				close(ended)
			}
		}
	}
	var servers []*Outbox
	for range 2 {
		o := Start(t.Context(), Config{Store: openDB(t, path), Enders: map[string]Ender{someIssuer: f.clerk(t)}, Now: time.Now, Log: b.quiet()})
		t.Cleanup(o.Close)
		servers = append(servers, o)
	}
	b.request(t, ids...)
	for _, o := range servers {
		o.Wake()
	}
	<-ended
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, n := range f.revoked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", id, n)
		}
	}
}

func TestClosingLeavesWhatIsUnderWayToOthers(t *testing.T) {
	t.Parallel()
	f := newFakeClerk(t, "sess_1")
	db := openDB(t, t.TempDir()+"/ostiary.db")
	b := &bench{clerk: f, db: db, time: time.Now()}
	arrived := make(chan struct{})
	f.set(func(_ http.ResponseWriter, r *http.Request) bool {
		close(arrived)
		<-r.Context().Done()
		return true
	})
	o := Start(t.Context(), Config{Store: db, Enders: map[string]Ender{someIssuer: f.clerk(t)}, Now: time.Now, Log: b.quiet()})
	b.request(t, "sess_1")
	o.Wake()
	<-arrived
	o.Close()
	if s := b.kept(t, "sess_1"); !s.Pending() || s.DueAt.After(time.Now()) || s.Failures != 0 {
		t.Errorf("%+v; want it due, as if it had not been tried", s)
	}
}

func TestAStoreThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	if delay := b.work(t); delay != storeTimeout {
		t.Errorf("the next round is in %s; want %s", delay, storeTimeout)
	}
	b.logged(t, "ERROR", "cannot look for sessions")
	for after, want := range []int{1, 2} {
		b.time = b.time.Add(warnAfter - time.Second + time.Duration(after)*time.Second)
		b.work(t)
		if n := strings.Count(b.logs.String(), "cannot look for sessions"); n != want {
			t.Errorf("it is logged %d times; want %d, once a minute", n, want)
		}
	}
	b.save(t.Context(), store.SignOut{}, store.SignOut{})
	b.logged(t, "ERROR", "cannot keep what became of a session")
	if n := b.pending(t.Context()); n != -1 {
		t.Errorf("%d are pending; want -1", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	wg.Go(func() { b.run(ctx) })
	wg.Wait()
}

func TestANilOutboxDoesNothing(t *testing.T) {
	t.Parallel()
	var o *Outbox
	o.Wake()
	o.Close()
}
