package postgres

import "testing"

// Answerable returns an error while the database cannot be reached.
func (s *Store) Answerable(t *testing.T) error {
	t.Helper()
	return s.pool.Ping(t.Context())
}
