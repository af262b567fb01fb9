package server

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A server with one of its listeners gone is not left running half.
func TestRunEndsWithTheErrorOfAListener(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	for name, listener := range map[string]func(*Server) net.Listener{
		"HTTP": func(s *Server) net.Listener { return s.httpListener },
		"gRPC": func(s *Server) net.Listener { return s.grpcListener },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := New(t.Context(), Config{
				HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", DataDir: t.TempDir(),
				Issuers: []Issuer{{URL: issuer.URL(), AllowAnyAudience: true}},
				Logger:  slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := listener(srv).Close(); err != nil {
				t.Fatal(err)
			}
			if err := srv.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Run returned %v; want %v", err, net.ErrClosed)
			}
			for name, addr := range map[string]net.Addr{"HTTP": srv.HTTPAddr(), "gRPC": srv.GRPCAddr()} {
				if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String()); err == nil {
					_ = conn.Close()
					t.Errorf("the %s listener is still open", name)
				}
			}
		})
	}
}
