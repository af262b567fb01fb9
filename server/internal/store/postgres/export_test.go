package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Reconnect connects anew, and returns when the database can be reached.
func (s *Store) Reconnect(t *testing.T) {
	t.Helper()
	s.pool.Reset()
	for s.pool.Ping(t.Context()) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the database cannot be reached")
		}
	}
}

// Exec executes a statement.
func (s *Store) Exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Plan returns how the sessions of a listing are found, one step on each line.
func (s *Store) Plan(t *testing.T, listing store.Listing) string {
	t.Helper()
	sql, args := selectSessions(sessionColumns, listing, 100)
	rows, _ := s.pool.Query(t.Context(), "EXPLAIN "+sql, args...) // CollectRows returns the error
	steps, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "\n")
}
