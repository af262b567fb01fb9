package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

// An adminServer is the listener for operators and their probes. It has no TLS and no
// guard.
type adminServer struct {
	listener net.Listener
	http     *http.Server
}

// startAdmin binds the listener, unless there is to be none.
func (s *Server) startAdmin(ctx context.Context) error {
	if s.config.AdminAddr == settings.AdminNone {
		return nil
	}
	listener, err := listen(ctx, "admin_addr", s.config.AdminAddr)
	if err != nil {
		return fmt.Errorf("%w, or %s", err, settings.AdminNone)
	}
	s.admin = &adminServer{listener, transport.NewHTTPServer(s.adminHandler(), nil, s.strangers)}
	return nil
}

func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(routeLive, live)
	mux.HandleFunc(routeReady, s.serveReadyInFull)
	mux.Handle("GET /metrics", s.metrics.Handler())
	if s.config.Profiling {
		// Not its cmdline, which has the secrets that were given as flags.
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// AdminAddr returns the address of the listener for operators; nil if there is none.
func (s *Server) AdminAddr() net.Addr {
	if s.admin == nil {
		return nil
	}
	return s.admin.listener.Addr()
}

// serve serves until close is called.
func (a *adminServer) serve() error {
	if a == nil {
		return nil
	}
	if err := a.http.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// close ends the listener, also one that was not served.
func (a *adminServer) close() error {
	if a == nil {
		return nil
	}
	err := a.http.Close()
	if closed := a.listener.Close(); !errors.Is(closed, net.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return err
}
