package postgres

import "testing"

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
