package pgserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Pooler starts pgbouncer before the server, and returns a server that is reached through
// it. It gives each transaction another connection to the real one, as few as may be.
func (s *Server) Pooler(ctx context.Context) (*Server, error) {
	pooler := s.folder.server(fmt.Sprint("pooler", names.Add(1)))
	config := filepath.Join(s.folder.path, filepath.Base(pooler.dir)+".ini")
	settings := fmt.Sprintf("[databases]\n* = host=%s user=%s\n[pgbouncer]\nunix_socket_dir=%s\nlisten_port=5432\npidfile=%s/postmaster.pid\n"+
		"auth_type=any\npool_mode=transaction\nserver_round_robin=1\n", s.socket, User, pooler.socket, pooler.dir)
	if err := os.WriteFile(config, []byte(settings), 0o644); err != nil { //nolint:gosec // another user reads it
		return nil, err
	}
	for _, command := range [][]string{{"mkdir", pooler.dir, pooler.socket}, {"pgbouncer", "-q", "-d", config}} {
		if err := s.folder.run(ctx, command[0], command[1:]...); err != nil {
			return nil, err
		}
	}
	err := pooler.waitFor(ctx, "SELECT 1")
	return pooler, err
}
