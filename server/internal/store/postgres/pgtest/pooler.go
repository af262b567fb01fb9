package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Pooler starts pgbouncer before the server, and returns a server that is reached through
// it. It gives each transaction another connection to the real one, as few as may be.
func (s *Server) Pooler(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("pgbouncer"); err != nil {
		missing(t, "pgbouncer is not installed")
	}
	pooler := s.folder.server(fmt.Sprint("pooler", shared.count.Add(1)))
	config := filepath.Join(s.folder.path, filepath.Base(pooler.dir)+".ini")
	settings := fmt.Sprintf("[databases]\n* = host=%s user=%s\n[pgbouncer]\nunix_socket_dir=%s\nlisten_port=5432\npidfile=%s/postmaster.pid\n"+
		"auth_type=any\npool_mode=transaction\nserver_round_robin=1\n", s.socket, User, pooler.socket, pooler.dir)
	if err := os.WriteFile(config, []byte(settings), 0o644); err != nil { //nolint:gosec // another user reads it
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkdir", pooler.dir, pooler.socket}, {"pgbouncer", "-q", "-d", config}} {
		if err := s.folder.run(t.Context(), command[0], command[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	pooler.waitFor(t, "SELECT 1")
	return pooler
}
