package server

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

func withDefaults(t *testing.T) Config {
	t.Helper()
	return Config{
		DataDir: filepath.Join(t.TempDir(), "data"),
		Issuers: []Issuer{{URL: someIssuer}},
		Logger:  slog.New(slog.DiscardHandler),
	}.WithDefaults()
}

func closeLedger(t *testing.T, l *ledger) {
	t.Helper()
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

func see(t *testing.T, l *ledger, id string) *auth.Identity {
	t.Helper()
	identity := &auth.Identity{
		Issuer: someIssuer, Subject: "user_ada", SessionID: id,
		IssuedAt: l.now().Truncate(time.Second), ExpiresAt: l.now().Add(time.Minute),
	}
	l.note(t.Context(), auth.Decision{Identity: identity, Peer: "192.0.2.1:5000"})
	return identity
}

func sessionsIn(t *testing.T, l *ledger) string {
	t.Helper()
	all, err := l.store.Sessions(t.Context(), store.Everything(), store.Session{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids(all)
}

func TestWhatWasSeenLastIsWrittenOnClosing(t *testing.T) {
	t.Parallel()
	config := withDefaults(t)
	first := must(openLedger(t.Context(), config))
	see(t, first, "sess_1")
	l := first
	l.note(t.Context(), auth.Decision{}) // anonymous
	l.note(t.Context(), auth.Decision{Identity: &auth.Identity{Issuer: someIssuer, Subject: "mch_robo"}})
	l.note(t.Context(), auth.Decision{
		Identity: &auth.Identity{Issuer: someIssuer, SessionID: "sess_2"}, Refusal: auth.NewError(auth.TokenRevoked, nil),
	})
	closeLedger(t, first)
	second := must(openLedger(t.Context(), config))
	defer closeLedger(t, second)
	if got := sessionsIn(t, second); got != "sess_1" {
		t.Errorf("sessions %q; want sess_1", got)
	}
}

func TestWhatHasExpiredIsForgottenAndNothingElse(t *testing.T) {
	t.Parallel()
	config := withDefaults(t)
	start := time.Now()
	config.Now = func() time.Time { return start }
	first := must(openLedger(t.Context(), config))
	by := see(t, first, "sess_1")
	for _, r := range []revocation.Revocation{
		{Kind: revocation.Session, Issuer: someIssuer, ID: "sess_1"},
		{Kind: revocation.Client, Issuer: someIssuer, ID: "client_1"},
		{Kind: revocation.Token, Issuer: someIssuer, ID: "token_1"},
		{Kind: revocation.Subject, Issuer: someIssuer, ID: "user_ada", Before: start},
	} {
		prepared, err := first.prepare(order{Revocation: r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.revoke(t.Context(), by, prepared); err != nil {
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
		{DefaultSessionRetention - time.Second, 2, "sess_1"},
		{DefaultSessionRetention + time.Second, 0, ""},
	} {
		config.Now = func() time.Time { return start.Add(later.after) }
		l := must(openLedger(t.Context(), config))
		revoked := l.list.Revoked(&auth.Identity{Issuer: someIssuer, SessionID: "sess_1", IssuedAt: config.Now()}) != nil
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
	config := withDefaults(t)
	db := must(config.openStore(t.Context()))
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
	l := newLedger(db, config)
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
	l = must(openLedger(t.Context(), config))
	defer closeLedger(t, l)
	db = must(config.openStore(t.Context()))
	t.Cleanup(func() { _ = db.Close() })
	eventually(t, "nothing is left long before the next minute", func() bool { return left() == 0 })
}

func TestRevocationsAreKeptForAsLongAsTheLongestToken(t *testing.T) {
	t.Parallel()
	for want, issuers := range map[time.Duration][]Issuer{
		24*time.Hour + 10*time.Second: {{}},
		time.Minute:                   {{MaxLifetime: time.Minute, Skew: -1}},
		48*time.Hour + 2*time.Minute:  {{}, {MaxLifetime: 48 * time.Hour, Skew: time.Minute}, {MaxLifetime: time.Hour}},
	} {
		if got := (Config{Issuers: issuers}).longestLifetime(); got != want {
			t.Errorf("%+v: %s; want %s", issuers, got, want)
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
