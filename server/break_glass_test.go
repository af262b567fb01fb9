package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

func openDatabase(t *testing.T, config settings.Config) *Database {
	t.Helper()
	db, err := OpenDatabase(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// The issuer is away, so that nobody gets a token of an operator, and somebody who can
// write to the database ends a session and a subject: open streams end, and calls are
// refused.
func TestWhatIsRevokedInTheDatabaseIsRefusedByARunningServer(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T, *settings.Config){
		"SQLite":     func(*testing.T, *settings.Config) {},
		"PostgreSQL": func(t *testing.T, c *settings.Config) { t.Helper(); c.DatabaseURL = pgtest.NewDatabase(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *settings.Config) { database(t, c) })
			ada, ben := r.issuer.Session("user_ada", authtest.With("sid", "ada")), r.issuer.Session("user_ben", authtest.With("sid", "ben"))
			r.wantAdmitted(t, "a session that goes on", ben)
			streams := r.watch(t, ada)
			r.issuer.Fail(authtest.Refuse)

			db := openDatabase(t, r.config)
			by := Revoker{User: "root@db-1", Cause: "stolen laptop"}
			named := &revocationv1.SessionRef{Issuer: r.issuer.URL(), SessionId: "ada", Owner: &revocationv1.SessionRef_Subject{Subject: "user_ada"}}
			res, err := db.EndSession(t.Context(), named, by)
			if err != nil || len(res.GetRevocations()) != 1 {
				t.Fatalf("%v, %v; want one revocation", res, err)
			}
			for protocol, stream := range streams {
				if _, err := stream.next(); !isRevoked(err) {
					t.Errorf("%s ended with %v; want %v", protocol, err, auth.TokenRevoked)
				}
			}
			r.wantReason(t, "the token", ada, auth.TokenRevoked)

			if _, err := db.EndSubject(t.Context(), &revocationv1.SubjectRef{Issuer: r.issuer.URL(), Subject: "user_ben"}, by); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the subject's token is refused", func() bool {
				_, err := r.native(t.Context(), t, ben)
				return isRevoked(err)
			})
			r.wantAdmitted(t, "somebody else", r.issuer.Session("user_cleo"))
			for _, id := range []*auth.Identity{
				{Issuer: r.issuer.URL(), Subject: "user_ada", SessionID: "ada", Kind: auth.KindSession},
				{Issuer: r.issuer.URL(), Subject: "user_ben", Kind: auth.KindSession},
			} {
				if !isRevoked(db.Revoked(id)) {
					t.Errorf("%s is not revoked by the database", id.Subject)
				}
			}
		})
	}
}

func isRevoked(err error) bool {
	reason, ok := reasonOf(err)
	return ok && reason == auth.TokenRevoked || errors.Is(err, &auth.Error{Reason: auth.TokenRevoked})
}

// An operator sees who has revoked in the database, and why.
func TestARevocationInTheDatabaseSaysWhoMadeIt(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	eventually(t, "the session is in the database", func() bool {
		db, err := OpenDatabase(t.Context(), r.config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		_, err = db.EndSession(t.Context(), &revocationv1.SessionRef{Issuer: r.issuer.URL(), SessionId: "ben"}, Revoker{User: "root@db-1", Cause: "stolen laptop"})
		return err == nil
	})
	r.wantEventuallyRevoked(t, cast["ben"])
	res, err := r.revocations(t, cast["otto"]).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil || len(res.GetRevocations()) != 1 {
		t.Fatalf("%v, %v", res, err)
	}
	got := res.GetRevocations()[0]
	if origin := got.GetOrigin().GetSystem(); origin.GetComponent() != "break-glass" || origin.GetUser() != "root@db-1" || got.GetCause() != "stolen laptop" || got.GetTarget().GetSession().GetSubject() != "user_ben" {
		t.Errorf("%v", got)
	}
	eventually(t, "the log says that it was done in the database", func() bool {
		return contains(r.log, `msg="the token was revoked"`, "origin=break-glass", "by_user=root@db-1", `why="stolen laptop"`)
	})
	if contains(r.log, "by_subject=root@db-1") {
		t.Errorf("the log has the system's user as a subject:\n%s", r.log.String())
	}
}

func (r *running) wantEventuallyRevoked(t *testing.T, token string) {
	t.Helper()
	eventually(t, "the token is refused", func() bool {
		_, err := r.native(t.Context(), t, token)
		return isRevoked(err)
	})
}

func TestOnlyADatabaseOfAServerIsOpened(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, test := range map[string]struct {
		edit func(*settings.Config)
		says string
	}{
		"another directory": {func(c *settings.Config) { c.DataDir = t.TempDir() }, "there is no database that a server has made"},
		"another file":      {func(c *settings.Config) { c.DatabaseURL = "sqlite:" + t.TempDir() + "/other.db" }, "there is no database that a server has made"},
		"a relay": {func(c *settings.Config) {
			c.Follow = settings.Follow{Hubs: []string{"https://ostiary.example.com"}, Secret: strings.Repeat("x", 40)}
		}, "revoke at the one that it follows"},
	} {
		config := r.config
		test.edit(&config)
		if _, err := OpenDatabase(t.Context(), config); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v; want %q", name, err, test.says)
		}
	}
}

func TestWhatIsRevokedInTheDatabaseIsChecked(t *testing.T) {
	t.Parallel()
	r := start(t)
	db := openDatabase(t, r.config)
	for says, end := range map[string]func(context.Context) (*sessionv1.RevokeSessionResponse, error){
		"there is no session": func(ctx context.Context) (*sessionv1.RevokeSessionResponse, error) {
			return db.EndSession(ctx, &revocationv1.SessionRef{Issuer: r.issuer.URL(), SessionId: "ada"}, Revoker{})
		},
		"not one whose tokens are accepted here": func(ctx context.Context) (*sessionv1.RevokeSessionResponse, error) {
			return db.EndSession(ctx, &revocationv1.SessionRef{Issuer: "https://other.example.com", SessionId: "ada", Owner: &revocationv1.SessionRef_Subject{Subject: "user_ada"}}, Revoker{})
		},
		"control characters": func(ctx context.Context) (*sessionv1.RevokeSessionResponse, error) {
			return db.EndSession(ctx, &revocationv1.SessionRef{Issuer: r.issuer.URL(), SessionId: "ada", Owner: &revocationv1.SessionRef_Subject{Subject: "user_ada"}}, Revoker{Cause: "a\nb"})
		},
	} {
		if _, err := end(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}
