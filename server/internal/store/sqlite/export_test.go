package sqlite

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Pragma returns a setting of the connections.
func (s *Store) Pragma(t *testing.T, name string) (value string) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Plan returns how the sessions of a listing are found, one step on each line.
func (s *Store) Plan(t *testing.T, listing store.Listing) string {
	t.Helper()
	q := selectSessions(sessionColumns, listing, 100)
	rows, err := s.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q.text.String(), q.args...)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := collect(rows, func(r row) (step string, err error) {
		var id, parent, unused int
		err = r.Scan(&id, &parent, &unused, &step)
		return step, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "\n")
}
