package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

func TestWhatADatabaseLacksStaysRevoked(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	revoked := func(id string) bool {
		return l.RevokedList().Revoked(&auth.Identity{Issuer: someIssuer, Subject: "user_ada", SessionID: id}) != nil
	}
	revoke := func(id string) {
		t.Helper()
		r, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: id}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Revoke(t.Context(), store.Origin{}, nil, r); err != nil {
			t.Fatal(err)
		}
	}
	read := func() {
		t.Helper()
		if err := l.ReadRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	revoke("sess_1")
	read()
	number, epoch := l.Events().Last(), l.Events().Epoch()
	place := l.changes.last()

	// Another process had its own database.
	other, _ := idleLedger(t)
	r, err := other.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_2"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Revoke(t.Context(), store.Origin{}, nil, r); err != nil {
		t.Fatal(err)
	}
	before := db.Store
	db.Store = other.store
	t.Cleanup(func() { _ = before.Close() })
	read()
	for _, id := range []string{"sess_1", "sess_2"} {
		if !revoked(id) {
			t.Errorf("%s is not revoked", id)
		}
	}
	if revoked("sess_3") {
		t.Error("sess_3 is revoked: the test shows nothing")
	}
	if l.Epoch() == before.Epoch() || l.Events().Epoch() == epoch || l.Events().Last() > number {
		t.Error("the epochs are those of the database before")
	}
	_, _, err = l.Follow(before.Epoch(), place, true).Next(t.Context(), 10, 1<<20)
	wantReason(t, "a follower of the database before", err, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "it is another database") {
		t.Errorf("the log has no single warning: %s", text)
	}
	read()
	if text := log.String(); strings.Count(text, "level=WARN") != 1 {
		t.Errorf("the log warns again: %s", text)
	}
}

func TestAReaderThatKnowsMoreThanTheDatabaseIsTold(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	log := logged(l)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l.config.Now = func() time.Time { return at }
	for i, lines := range []int{1, 1, 2} {
		_, err := l.Revocations(t.Context(), store.RevocationListing{}, Place{Sequence: 9, CreatedAt: at.UnixMicro()}, 10)
		wantReason(t, "a reader of what is not there", err, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
		if got := strings.Count(log.String(), "has read what the database lacks"); got != lines {
			t.Errorf("request %d: the log says so %d times; want %d", i, got, lines)
		}
		at = at.Add(aheadInterval/2 + time.Second)
	}
}

func TestWhatADatabaseHasLostIsGivenBack(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	const sessions = 2*BatchSize + 10
	requests := make([]Request, 0, sessions)
	for i := range sessions {
		r, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: fmt.Sprint("sess_", i)}})
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	subject, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ben"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Revoke(t.Context(), store.Origin{Kind: store.OriginCaller}, nil, append(requests, subject)...); err != nil {
		t.Fatal(err)
	}
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}

	// The other database has the first hundred.
	other, otherDB := idleLedger(t)
	if _, err := other.Revoke(t.Context(), store.Origin{Kind: store.OriginCaller}, nil, requests[:100]...); err != nil {
		t.Fatal(err)
	}
	before := db.Store
	db.Store = otherDB.Store
	t.Cleanup(func() { _ = before.Close() })
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.lacking:
	default:
		t.Fatal("nothing is to be given back")
	}
	db.fails, db.succeed = "SaveRevocations", 1
	if l.giveBack(t.Context()) {
		t.Fatal("it says that it gave everything back, though the disk was full")
	}
	db.fails = ""
	for range 2 { // the second time there is nothing to do
		if !l.giveBack(t.Context()) {
			t.Fatal("giving back fails")
		}
	}
	rows, err := db.Revocations(t.Context(), store.RevocationListing{}, 2*sessions)
	if err != nil || len(rows) != sessions+1 {
		t.Fatalf("the database has %d revocations, %v; want %d, each once", len(rows), err, sessions+1)
	}
	for i, row := range rows {
		want := store.OriginSystem
		if i < 100 {
			want = store.OriginCaller
		}
		if row.Origin.Kind != want {
			t.Fatalf("revocation %d of %d is of origin %q; want %q", i, len(rows), row.Origin.Kind, want)
		}
		if ben := row.Target.Value == "user_ben"; ben && !row.IssuedBefore.Equal(subject.Before) || !row.ExpiresAt.Equal(subject.Expires) && ben {
			t.Errorf("user_ben was given back as %+v; want %+v", row, subject)
		}
	}
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.lacking:
		t.Error("it would be given back again")
	default:
	}
}

// alternating leads to one of two databases by turns.
type alternating struct {
	store.Store

	other store.Store
	calls int
}

func (a *alternating) Epoch() [16]byte { return []store.Store{a.Store, a.other}[a.calls%2].Epoch() }

func (a *alternating) Changes(ctx context.Context, after store.Revocation, limit int) ([]store.Revocation, error) {
	a.calls++
	return []store.Store{a.Store, a.other}[a.calls%2].Changes(ctx, after, limit)
}

func TestADatabaseThatChangesAllTheTimeIsReadNowAndThen(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	now := time.Now()
	l.changes.now = func() time.Time { return now }
	other := openStore(t, t.TempDir())
	t.Cleanup(func() { _ = other.Close() })
	both := &alternating{Store: db.Store, other: other}
	db.Store = both
	restless := 0
	for i := range 20 {
		err := l.ReadRevocations(t.Context())
		if errors.Is(err, errRestless) {
			restless++
		} else if err != nil {
			t.Fatal(err)
		}
		now = now.Add(readAgainInterval / 10)
		if again := strings.Count(log.String(), "it is another database"); again > i/10+1 {
			t.Fatalf("after %d readings it was read again %d times", i+1, again)
		}
	}
	if restless == 0 {
		t.Error("there is no error")
	}
}

func TestAFailureThatLastsIsLoggedOnce(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	want := func(when, condition string, lines int) {
		t.Helper()
		if got := l.Database(); got != condition {
			t.Errorf("%s the database is %s; want %s", when, got, condition)
		}
		if text := log.String(); strings.Count(text, "cannot read what other processes have revoked") != lines {
			t.Errorf("%s the log has not %d lines: %s", when, lines, text)
		}
	}
	want("at first", "ok", 0)
	db.fails = "Changes"
	for range 3 {
		if l.ReadRevocations(t.Context()) == nil {
			t.Fatal("it reads what cannot be read")
		}
	}
	want("after three failures", "failing", 1)
	db.fails = "SaveSessions"
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	see(t, l, "sess_1")
	l.Flush(t.Context())
	want("when it takes no writes", "read_only", 1)
	db.fails = ""
	l.Flush(t.Context())
	want("in the end", "ok", 1)
}

func TestItIsNoticedWithoutAWriteThatTheStoreTakesThem(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	l.probe(t.Context())
	if !l.condition.probed.IsZero() {
		t.Error("a store that works was tried")
	}
	l.condition.fails(writing, errDiskFull, time.Now())
	db.fails = "Probe"
	l.probe(t.Context())
	if got := l.Database(); got != "read_only" {
		t.Errorf("the database is %s while it takes no writes", got)
	}
	db.fails = ""
	l.probe(t.Context())
	if got := l.Database(); got != "read_only" {
		t.Errorf("the database is %s; want it to be tried every few seconds alone", got)
	}
	l.condition.probed = l.condition.probed.Add(-probeInterval)
	l.probe(t.Context())
	if got := l.Database(); got != "ok" || !strings.Contains(log.String(), "the store works again") {
		t.Errorf("the database is %s, the log has %s", got, log)
	}
}

// Each failure may have another text, such as that of the port that was used.
func TestAFailureThatLastsIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &Ledger{config: someConfig(), condition: condition{logged: make(map[string]time.Time)}}
		log := logged(l)
		for second := range 121 {
			l.logFailure(t.Context(), "cannot do it", fmt.Errorf("failure %d", second))
			<-time.After(time.Second)
		}
		if text := log.String(); strings.Count(text, "cannot do it") != 3 || strings.Count(text, "failure 0")+strings.Count(text, "failure 60")+strings.Count(text, "failure 120") != 3 {
			t.Errorf("in two minutes the log has %s; want a line at once, and one after each minute", text)
		}
		l.condition.fails(writing, errDiskFull, time.Now())
		l.works(t.Context(), writing)
		l.logFailure(t.Context(), "cannot do it", errDiskFull)
		if text := log.String(); strings.Count(text, "cannot do it") != 4 {
			t.Errorf("after it has worked, the log has %s; want a line at once", text)
		}
	})
}

func TestCallsThatFailAreLoggedTogether(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	l.events.wanted.Store(true)
	db.fails = "Expired"
	for range 3 {
		l.addExpired(t.Context(), l.now())
	}
	db.fails = "Revocations"
	for range 3 {
		_, err := l.Revocations(t.Context(), store.RevocationListing{}, Place{}, 1)
		wantReason(t, "a call", err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
	}
	if text := log.String(); strings.Count(text, "level=ERROR") != 2 || !strings.Contains(text, "cannot find the sessions that have expired") || !strings.Contains(text, "the store fails") {
		t.Errorf("the log has %s; want a line of each", text)
	}
}
