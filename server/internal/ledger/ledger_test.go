package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

func TestCloseWritesWhatWasSeenLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir, someConfig())
	see(t, first, "sess_1")
	first.See(&auth.Identity{Issuer: someIssuer, Subject: "mch_robo"}, somePeer, someBrowser) // without a session
	closeLedger(t, first)
	second := open(t, dir, someConfig())
	defer closeLedger(t, second)
	if got := sessionsIn(t, second); got != "sess_1" {
		t.Errorf("sessions %q; want sess_1", got)
	}
}

func TestOnlyWhatHasExpiredIsRemoved(t *testing.T) {
	t.Parallel()
	config, dir := someConfig(), t.TempDir()
	start := time.Now()
	config.Now = func() time.Time { return start }
	first := open(t, dir, config)
	by := see(t, first, "sess_1")
	for _, r := range []revocation.Revocation{
		{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"},
		{Kind: revocation.TargetClient, Issuer: someIssuer, ID: "client_1"},
		{Kind: revocation.TargetToken, Issuer: someIssuer, ID: "token_1"},
		{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada", Before: start},
	} {
		prepared, err := first.Prepare(Request{Revocation: r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.Revoke(t.Context(), store.Origin{Kind: store.OriginCaller, Caller: CallerOf(by)}, nil, prepared); err != nil {
			t.Fatal(err)
		}
	}
	closeLedger(t, first)

	// A token lives for a day at most; a session that its issuer goes on with,
	// for longer. The last revocation is not removed.
	for _, later := range []struct {
		after       time.Duration
		revocations int
		sessions    string
	}{
		{24*time.Hour + 10*time.Second - time.Millisecond, 4, "sess_1"},
		{24*time.Hour + 11*time.Second, 3, "sess_1"},
		{retention - time.Second, 3, "sess_1"},
		{retention + time.Second, 1, ""},
	} {
		config.Now = func() time.Time { return start.Add(later.after) }
		l := newLedger(openStore(t, dir), config)
		l.clock.believed, l.clock.elapsed = start, func() time.Duration { return later.after } // as if it had run all the time
		if _, err := l.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		revoked := l.revoked.Revoked(&auth.Identity{Issuer: someIssuer, SessionID: "sess_1", IssuedAt: config.Now()}) != nil
		kept, err := l.store.Revocations(t.Context(), store.RevocationListing{}, 100)
		if err != nil || len(kept) != later.revocations || sessionsIn(t, l) != later.sessions || revoked != (later.sessions != "") {
			t.Errorf("after %s: %d revocations, error %v, sessions %q, revoked %v; want %d and %q",
				later.after, len(kept), err, sessionsIn(t, l), revoked, later.revocations, later.sessions)
		}
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A revocation would otherwise wait for it.
func TestExpiredRowsAreRemovedInBatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openStore(t, dir)
	expired := slices.Repeat([]store.Revocation{{Target: store.Target{Kind: "session", Issuer: someIssuer, Value: "sess_1"}, ExpiresAt: time.Now().Add(-time.Hour)}}, pruneBatch+2)
	if _, err := db.SaveRevocations(t.Context(), expired, nil); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		kept, err := db.Revocations(t.Context(), store.RevocationListing{}, 2*pruneBatch)
		if err != nil {
			t.Fatal(err)
		}
		return len(kept)
	}
	l := newLedger(db, someConfig())
	if !l.prune(t.Context()) || left() != 2 {
		t.Errorf("%d are left; want 2, and that there is more to forget", left())
	}
	if l.prune(t.Context()) || left() != 1 {
		t.Errorf("%d are left, or more are said to be; want the last", left())
	}
	if _, err := db.SaveRevocations(t.Context(), expired, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, someConfig())
	defer closeLedger(t, l)
	db = openStore(t, dir)
	t.Cleanup(func() { _ = db.Close() })
	for deadline := time.Now().Add(10 * time.Second); left() != 1; {
		if time.Now().After(deadline) {
			t.Fatal("more than the last is left after ten seconds; want it alone long before the next minute")
		}
	}
}

func TestWhatFailsInTheBackgroundIsLogged(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	want := func(parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log lacks %q: %s", part, log)
			}
		}
		log.Reset()
	}
	db.fails = "Prune"
	if l.prune(t.Context()) {
		t.Error("there is said to be more to prune")
	}
	want("level=ERROR", "cannot remove what has expired", errDiskFull.Error())
	db.fails = "SaveSessions"
	see(t, l, "sess_1")
	l.Flush(t.Context())
	want("level=ERROR", "cannot write what was seen", errDiskFull.Error())

	l.activity = newActivity(1)
	db.fails = ""
	see(t, l, "sess_1")
	see(t, l, "sess_2")
	l.Flush(t.Context())
	want("level=WARN", "some will be listed late", "dropped=1")
	l.Flush(t.Context())
	if log.Len() > 0 {
		t.Errorf("logged though nothing happened: %s", log)
	}

	l.Events().Last() // somebody watches
	if _, err := end(t.Context(), l, store.Session{Issuer: someIssuer, ID: "sess_2"}); err != nil {
		t.Fatal(err)
	}
	want("level=INFO", "msg=revoked", "count=1", "target=session", "origin=caller", "by_issuer="+someIssuer, "by_subject=user_otto")
	db.fails = "Sessions"
	if err := l.ReadRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.addEnded(t.Context())
	want("level=ERROR", "cannot find the sessions that were revoked", errDiskFull.Error())
	db.fails = "Expired"
	l.addExpired(t.Context(), time.Now())
	want("level=ERROR", "cannot find the sessions that have expired", errDiskFull.Error())
}
