// Package pgtest gives tests the servers of package pgserver. Where something does not do
// what it is told, the test fails.
//
//	url := pgtest.NewDatabase(t) // an empty database on a server that all tests share
//
//	primary := pgtest.Start(t)   // a server of its own, to be killed and promoted
//	standby := primary.Standby(t, pgserver.Synchronous)
//	primary.Kill(t)
//	standby.Promote(t)
//
// On a machine without PostgreSQL the tests are skipped with a notice, or fail where CI is
// set.
package pgtest

import (
	"context"
	"os/exec"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/internal/testprogram"
)

// A Server is one PostgreSQL server.
type Server struct{ server *pgserver.Server }

// The server that all tests share.
var shared struct {
	once   sync.Once
	server *pgserver.Server
	err    error
}

// NewDatabase returns the URL of a new, empty database on a server that all tests of the
// process share.
func NewDatabase(t testing.TB) string {
	t.Helper()
	return Shared(t).NewDatabase(t)
}

// Shared returns the server that all tests of the process share.
func Shared(t testing.TB) *Server {
	t.Helper()
	require(t)
	shared.once.Do(func() { shared.server, shared.err = pgserver.Start(context.WithoutCancel(t.Context())) })
	return started(t, shared.server, shared.err)
}

// Start starts a server of the test's own.
func Start(t testing.TB) *Server {
	t.Helper()
	require(t)
	server, err := pgserver.Start(t.Context())
	s := started(t, server, err)
	t.Cleanup(server.Close)
	return s
}

func started(t testing.TB, server *pgserver.Server, err error) *Server {
	t.Helper()
	check(t, err)
	return &Server{server}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// NewDatabase returns the URL of a new, empty database.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	url, err := s.server.NewDatabase(t.Context())
	check(t, err)
	return url
}

// Replace has a database get the name of another one, which is gone then. Both are URLs.
func (s *Server) Replace(t testing.TB, gone, by string) {
	t.Helper()
	check(t, s.server.Replace(t.Context(), gone, by))
}

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string { return s.server.URL(database) }

// Socket returns the directory of the server's socket, which has the port 5432.
func (s *Server) Socket() string { return s.server.Socket() }

// Execute executes SQL on a database of the server.
func (s *Server) Execute(t testing.TB, database, sql string) {
	t.Helper()
	check(t, s.server.Execute(t.Context(), database, sql))
}

// Start starts the server again after Stop or Kill.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	check(t, s.server.Start(t.Context()))
}

// Stop shuts the server down, and ends its connections.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	check(t, s.server.Stop(t.Context()))
}

// Kill sends SIGKILL to the server.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	check(t, s.server.Kill())
}

// Standby starts a standby of the server, as of pgserver.
func (s *Server) Standby(t testing.TB, synchrony pgserver.Synchrony) *Server {
	t.Helper()
	standby, err := s.server.Standby(t.Context(), synchrony)
	return started(t, standby, err)
}

// Detach has the standby receive nothing more, so that it falls behind.
func (s *Server) Detach(t testing.TB) {
	t.Helper()
	check(t, s.server.Detach(t.Context()))
}

// Promote makes the standby a primary, and returns when it takes writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	check(t, s.server.Promote(t.Context()))
}

// Pooler starts pgbouncer before the server, as of pgserver.
func (s *Server) Pooler(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("pgbouncer"); err != nil {
		testprogram.Missing(t, "pgbouncer is not installed")
	}
	pooler, err := s.server.Pooler(t.Context())
	return started(t, pooler, err)
}

// require skips a test where PostgreSQL is not installed, and fails it in CI.
func require(t testing.TB) {
	t.Helper()
	if err := pgserver.Installed(); err != nil {
		testprogram.Missing(t, err.Error())
	}
}
