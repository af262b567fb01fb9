package server

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

func TestRevocationsAreInTheDatabaseOfTheURL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, unused := filepath.Join(dir, "mine.db"), filepath.Join(dir, "unused")
	ofTheURL := func(c *settings.Config) { c.DatabaseURL, c.DataDir = "sqlite:"+file, unused }
	r := start(t, ofTheURL)
	token := r.issuer.Session("user_ada")
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	sameIssuer := func(c *settings.Config) { c.Issuers = r.config.Issuers }
	start(t, ofTheURL, sameIssuer).wantReason(t, "with the same URL", token, auth.TokenRevoked)
	start(t, sameIssuer).wantAdmitted(t, "with a database of its own", token)
	if _, err := os.Stat(unused); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data directory: %v; want none beside a database URL", err)
	}
}

func TestADatabaseThatCannotBeOpenedStopsTheServer(t *testing.T) {
	t.Parallel()
	config := settings.Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone, DataDir: t.TempDir(), DatabaseURL: "sqlite:" + t.TempDir(), // a directory
		Issuers: []settings.Issuer{{URL: "http://localhost:1"}},
	}
	if srv, err := New(t.Context(), config); err == nil {
		t.Errorf("New: %v; want an error", errors.Join(srv.Close()))
	}
}

// A store that fails is UNAVAILABLE to callers, and never an empty answer; why it
// fails is for the log.
func TestAStoreThatFailsIsUnavailable(t *testing.T) {
	t.Parallel()
	const withoutSessions, withoutRevocations = "ALTER TABLE sessions RENAME TO gone", "ALTER TABLE revocations RENAME TO gone"
	for name, test := range map[string]struct {
		spoil string
		call  func(ctx context.Context, t *testing.T, tr endpoint, token string) error
	}{
		"ListSessions": {withoutSessions, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).ListSessions(ctx, &sessionv1.ListSessionsRequest{})
			return err
		}},
		"GetSession": {withoutSessions, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).GetSession(ctx, tr.getReq("otto"))
			return err
		}},
		"RevokeSubject, which does not find the sessions": {withoutSessions, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSubject(ctx, tr.subjectReq("user_ada"))
			return err
		}},
		"RevokeSubject, which is not kept": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSubject(ctx, tr.subjectReq("user_ada"))
			return err
		}},
		"RevokeSession": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSession(ctx, tr.revokeReq("ada"))
			return err
		}},
		"RevokeSession of one that was revoked before": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.sessions(t, token).RevokeSession(ctx, tr.revokeReq("before"))
			return err
		}},
		"RevokeTokens": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.revocations(t, token).RevokeTokens(ctx, &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{tr.ofSession("ada")}})
			return err
		}},
		"ListRevocations": {withoutRevocations, func(ctx context.Context, t *testing.T, tr endpoint, token string) error {
			t.Helper()
			_, err := tr.revocations(t, token).ListRevocations(ctx, &revocationv1.ListRevocationsRequest{})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			otto := r.issuer.Session("user_otto")
			if _, err := r.sessions(t, otto).RevokeSession(t.Context(), r.revokeReq("before")); err != nil {
				t.Fatal(err)
			}
			r.database(t, test.spoil)
			for protocol, tr := range r.transports() {
				err := test.call(t.Context(), t, tr, otto)
				if connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "table") {
					t.Errorf("%s: %v; want unavailable, and no word of why", protocol, err)
				}
			}
			if !contains(r.log, "level=ERROR", "the store fails", "no such table") {
				t.Error("the log does not say why")
			}
			if test.spoil == withoutRevocations {
				eventually(t, "the log says that revocations cannot be read", func() bool {
					return contains(r.log, "level=ERROR", "cannot read what other processes have revoked", "no such table")
				})
			}
		})
	}
}

func TestTheConfiguredDatabaseIsUsed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "elsewhere", "other.db")
	withDatabase := func(c *settings.Config) { c.DatabaseURL = "sqlite:" + path }
	r := start(t, withDatabase)
	token := r.issuer.Session("user_ada")
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(r.config.DataDir); err != nil || len(left) != 0 {
		t.Errorf("the data directory has %v, error %v; want nothing in it", left, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	issuers := r.config.Issuers
	again := start(t, withDatabase, func(c *settings.Config) { c.Issuers = issuers })
	again.wantReason(t, "the token, with another data directory", token, auth.TokenRevoked)
	db, err := ledger.OpenStore(t.Context(), ledger.StoreConfig{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if kept, err := db.Revocations(t.Context(), store.RevocationListing{}, 10); err != nil || len(kept) != 1 {
		t.Errorf("the file has %d revocations, error %v; want 1", len(kept), err)
	}
}

func TestServersOnOnePostgreSQLDatabaseAgree(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	ofTheURL := func(c *settings.Config) { c.DatabaseURL = url }
	one := start(t, ofTheURL)
	other := start(t, ofTheURL, func(c *settings.Config) { c.Issuers = one.config.Issuers })
	token, another := one.issuer.Session("user_ada"), one.issuer.Session("user_ben")
	other.wantAdmitted(t, "before", token)
	if _, err := one.sessions(t, token).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other server refuses the token", func() bool {
		_, err := other.native(t.Context(), t, token)
		reason, ok := reasonOf(err)
		return ok && reason == auth.TokenRevoked
	})
	other.wantReason(t, "after", token, auth.TokenRevoked)
	other.wantAdmitted(t, "after", another)
	start(t, ofTheURL, func(c *settings.Config) { c.Issuers = one.config.Issuers }).wantReason(t, "at one that starts later", token, auth.TokenRevoked)
	if left, err := os.ReadDir(one.config.DataDir); err != nil || len(left) != 0 {
		t.Errorf("the data directory has %v, error %v; want nothing in it", left, err)
	}
}

// A reader that holds a position in the database before begins anew, and what was revoked in
// either is refused.
func TestAnotherDatabaseIsNoticedWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	database := pgtest.Start(t)
	mine, anothers := database.NewDatabase(t), database.NewDatabase(t)
	r := start(t, withFeed, func(c *settings.Config) { c.DatabaseURL = mine })
	another := start(t, withFeed, func(c *settings.Config) { c.DatabaseURL, c.Issuers = anothers, r.config.Issuers })
	another.issuer = r.issuer
	r.revoke(t, "here")
	another.revoke(t, "there")
	if err := another.stop(); err != nil {
		t.Fatal(err)
	}
	if !contains(r.log, "level=WARN", "there was no database, so a new one was made") {
		t.Error("the log does not warn of a new database")
	}
	tr := r.transports()["gRPC"]
	watch := tr.watchSessions(t, r.issuer.Session("user_otto"))
	follower := tr.follow(t, secretOfFeed, "")
	feedUntil(t, "before", follower, 1)

	database.Replace(t, mine, anothers)
	for watch.Receive() {
	}
	for follower.Receive() {
	}
	wantError(t, "who watches sessions", watch.Err(), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	wantError(t, "who follows", follower.Err(), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	if !contains(r.log, "level=WARN", "it is another database") {
		t.Error("the log does not warn")
	}
	// The server gives back what the database lacks.
	if got, _ := feedUntil(t, "after", tr.follow(t, secretOfFeed, ""), 2); !slices.Equal(got, []string{"there", "here"}) {
		t.Errorf("who follows anew gets %q; want what is in the database, and what was in the one before", got)
	}
	for _, session := range []string{"here", "there"} {
		r.wantReason(t, session, r.issuer.Session("user_ada", authtest.With("sid", session)), auth.TokenRevoked)
	}
}

func TestReadinessSaysWhatTheDatabaseCanDo(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	ready := func() string {
		t.Helper()
		code, answer := r.readyz(t)
		if code != http.StatusOK {
			t.Errorf("/readyz answers %d, %+v; want it ready, since tokens are verified", code, answer)
		}
		return answer.Database.State
	}
	eventually(t, "the server has its keys", func() bool { code, _ := r.readyz(t); return code == http.StatusOK })
	if got := ready(); got != "ok" {
		t.Errorf("at first %q; want ok", got)
	}
	r.database(t, "ALTER TABLE revocations RENAME TO gone")
	eventually(t, "the database fails", func() bool { return ready() == "failing" })
	r.wantAdmitted(t, "while the database fails", r.issuer.Session("user_ada"))
	r.database(t, "ALTER TABLE gone RENAME TO revocations")
	eventually(t, "the database works again", func() bool { return ready() == "ok" })
	writes := map[string]string{"revocations": "INSERT", "sessions": "INSERT", "clock": "UPDATE", "readers": "INSERT"}
	for table, write := range writes {
		r.database(t, "CREATE TRIGGER full_"+table+" BEFORE "+write+" ON "+table+" BEGIN SELECT RAISE(ABORT, 'full'); END")
	}
	_, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), r.revokeReq("ada"))
	wantError(t, "who revokes", err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
	if got := ready(); got != "read_only" {
		t.Errorf("when nothing can be revoked, %q; want read_only", got)
	}
	if _, answer := r.readyz(t); !strings.Contains(answer.Database.Remedy, "the log says why") {
		t.Errorf("the remedy is %q", answer.Database.Remedy)
	}
	for table := range writes {
		r.database(t, "DROP TRIGGER full_"+table)
	}
	eventually(t, "the database takes writes again, without one", func() bool { return ready() == "ok" })
}
