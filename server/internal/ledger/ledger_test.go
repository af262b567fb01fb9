package ledger

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

const someIssuer = "https://clerk.example.com"

const retention = 30 * 24 * time.Hour

func someConfig() Config {
	return Config{
		Retention:   retention,
		MaxLifetime: 24*time.Hour + 10*time.Second,
		Skews:       map[string]time.Duration{someIssuer: 5 * time.Second},
		Now:         time.Now,
		Log:         slog.New(slog.DiscardHandler),
	}
}

func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	db, err := OpenStore(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t *testing.T, dir string, config Config) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), openStore(t, dir), config)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLedger(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func see(t *testing.T, l *Ledger, id string) *auth.Identity {
	t.Helper()
	identity := &auth.Identity{
		Issuer: someIssuer, Subject: "user_ada", SessionID: id,
		IssuedAt: l.config.Now().Truncate(time.Second), ExpiresAt: l.config.Now().Add(time.Minute),
	}
	l.See(identity, somePeer, someBrowser)
	return identity
}

func sessionsIn(t *testing.T, l *Ledger) string {
	t.Helper()
	all, err := l.store.Sessions(t.Context(), store.Everything(), store.Session{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids(all)
}

func TestWhatWasSeenLastIsWrittenOnClosing(t *testing.T) {
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

func TestWhatHasExpiredIsForgottenAndNothingElse(t *testing.T) {
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
		if _, err := first.Revoke(t.Context(), by, prepared); err != nil {
			t.Fatal(err)
		}
	}
	closeLedger(t, first)

	// A token lives for a day at most; a session that its issuer goes on with,
	// for longer.
	for _, later := range []struct {
		after       time.Duration
		revocations int
		sessions    string
	}{
		{24*time.Hour + 10*time.Second - time.Millisecond, 4, "sess_1"},
		{24*time.Hour + 11*time.Second, 2, "sess_1"},
		{retention - time.Second, 2, "sess_1"},
		{retention + time.Second, 0, ""},
	} {
		config.Now = func() time.Time { return start.Add(later.after) }
		l := open(t, dir, config)
		revoked := l.revoked.Revoked(&auth.Identity{Issuer: someIssuer, SessionID: "sess_1", IssuedAt: config.Now()}) != nil
		kept, err := l.store.Revocations(t.Context(), 0, 100)
		if err != nil || len(kept) != later.revocations || sessionsIn(t, l) != later.sessions || revoked != (later.revocations > 0) {
			t.Errorf("after %s: %d revocations, error %v, sessions %q, revoked %v; want %d and %q",
				later.after, len(kept), err, sessionsIn(t, l), revoked, later.revocations, later.sessions)
		}
		closeLedger(t, l)
	}
}

// Whoever revokes would otherwise wait for it.
func TestMuchThatHasExpiredIsForgottenByAndBy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openStore(t, dir)
	expired := slices.Repeat([]store.Revocation{{Kind: "session", Issuer: someIssuer, Value: "sess_1", ExpiresAt: time.Now().Add(-time.Hour)}}, pruneBatch+1)
	if _, err := db.SaveRevocations(t.Context(), expired); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		kept, err := db.Revocations(t.Context(), 0, 2*pruneBatch)
		if err != nil {
			t.Fatal(err)
		}
		return len(kept)
	}
	l := newLedger(db, someConfig())
	if !l.prune(t.Context()) || left() != 1 {
		t.Errorf("%d are left; want 1, and that there is more to forget", left())
	}
	if l.prune(t.Context()) || left() != 0 {
		t.Errorf("%d are left, or said to be", left())
	}
	if _, err := db.SaveRevocations(t.Context(), expired); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, someConfig())
	defer closeLedger(t, l)
	db = openStore(t, dir)
	t.Cleanup(func() { _ = db.Close() })
	for deadline := time.Now().Add(10 * time.Second); left() != 0; {
		if time.Now().After(deadline) {
			t.Fatal("something is left after ten seconds; want nothing long before the next minute")
		}
	}
}

func TestTheDataDirectoryIsForItsOwnerAndNotForGit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := MakeDataDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, error %v; want mode 0700", info.Mode(), err)
	}
	if ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore")); err != nil || string(ignored) != "*\n" {
		t.Errorf(".gitignore has %q, error %v", ignored, err)
	}
	// One that somebody made for us is left as it is.
	made := t.TempDir()
	if err := MakeDataDir(made); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(made); err != nil || len(left) != 0 {
		t.Errorf("%v, error %v; want nothing in it", left, err)
	}
}
