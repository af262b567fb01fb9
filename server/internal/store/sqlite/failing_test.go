package sqlite_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// A write that fails within a batch writes nothing of it, and a row that cannot be read
// is an error.
func TestAFailureOfTheDatabaseFailsTheWholeCall(t *testing.T) {
	t.Parallel()
	session := func(id string) store.Session {
		return store.Session{Issuer: "https://clerk.example.com", ID: id, Subject: "user_ada", FirstSeen: time.Unix(1, 0), LastSeen: time.Unix(1, 0), Token: store.Token{ExpiresAt: time.Unix(1, 0)}}
	}
	revocation := func(value string) store.Revocation {
		return store.Revocation{Target: store.Target{Kind: "session", Issuer: "https://clerk.example.com", Value: value}, ExpiresAt: time.Unix(1, 0)}
	}
	for name, test := range map[string]struct {
		spoil string
		call  func(*testing.T, store.Store) error
	}{
		"the second of two sessions cannot be written": {
			`CREATE TRIGGER spoil BEFORE INSERT ON sessions WHEN NEW.session_id = 'sess_2' BEGIN SELECT RAISE(ABORT, 'spoilt'); END`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.SaveSessions(t.Context(), []store.Session{session("sess_1"), session("sess_2")})
				return err
			},
		},
		"a session that is kept cannot be read": {
			`UPDATE sessions SET first_seen = 'spoilt'`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.SaveSessions(t.Context(), []store.Session{session("sess_0")})
				return err
			},
		},
		"a session of the list cannot be read": {
			`UPDATE sessions SET first_seen = 'spoilt'`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.Sessions(t.Context(), store.List(store.Everything()), 10)
				return err
			},
		},
		"the second of two revocations cannot be written": {
			`CREATE TRIGGER spoil BEFORE INSERT ON revocations WHEN NEW.value = 'sess_2' BEGIN SELECT RAISE(ABORT, 'spoilt'); END`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.SaveRevocations(t.Context(), []store.Revocation{revocation("sess_1"), revocation("sess_2")}, nil)
				return err
			},
		},
		"a revocation of the list cannot be read": {
			`UPDATE revocations SET expires_at = 'spoilt'`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.Revocations(t.Context(), store.RevocationListing{}, 10)
				return err
			},
		},
		"a revocation of a target cannot be read": {
			`UPDATE revocations SET expires_at = 'spoilt'`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.Strongest(t.Context(), []store.Target{revocation("sess_0").Target}, time.Unix(0, 0))
				return err
			},
		},
		"an expired session cannot be read": {
			`UPDATE sessions SET first_seen = 'spoilt'`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.Expired(t.Context(), store.Session{ID: "sess"}, time.Unix(1, 0), 10)
				return err
			},
		},
		"an answer cannot be written": {
			`CREATE TRIGGER spoil BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'spoilt'); END`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				answer := &store.Answer{Hash: []byte{1}, Encode: func([]store.Revocation) ([]byte, error) { return []byte{}, nil }}
				_, err := s.SaveRevocations(t.Context(), []store.Revocation{revocation("sess_1")}, answer)
				return err
			},
		},
		"sessions cannot be deleted": {
			`CREATE TRIGGER spoil BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'spoilt'); END`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.Prune(t.Context(), store.Age{SeenBefore: time.Now(), ExpiredBy: time.Now(), AnsweredBefore: time.Now()}, 10)
				return err
			},
		},
		"revocations cannot be deleted": {
			`CREATE TRIGGER spoil BEFORE DELETE ON revocations BEGIN SELECT RAISE(ABORT, 'spoilt'); END`,
			func(t *testing.T, s store.Store) error {
				t.Helper()
				_, err := s.Prune(t.Context(), store.Age{SeenBefore: time.Now(), ExpiredBy: time.Now(), AnsweredBefore: time.Now()}, 10)
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/ostiary.db"
			s := open(t, path)
			if _, err := s.SaveSessions(t.Context(), []store.Session{session("sess_0")}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.SaveRevocations(t.Context(), []store.Revocation{revocation("sess_0"), revocation("the last")}, nil); err != nil {
				t.Fatal(err)
			}
			count := func() (n int) {
				execute(t, path, func(db *sql.DB) error {
					return db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM revocations)`).Scan(&n)
				})
				return n
			}
			execute(t, path, func(db *sql.DB) error {
				_, err := db.ExecContext(t.Context(), test.spoil)
				return err
			})
			if err := test.call(t, s); err == nil || !strings.Contains(err.Error(), "spoilt") {
				t.Errorf("%v; want the error of the database", err)
			}
			if got := count(); got != 3 {
				t.Errorf("%d rows are kept; want the 3 from before", got)
			}
		})
	}
}
