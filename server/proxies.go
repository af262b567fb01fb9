package server

import (
	"context"
	"log/slog"
	"net"

	"github.com/ostiary/ostiary/server/internal/transport"
)

// expectProxies has the listeners that there are expect the PROXY protocol.
func (s *Server) expectProxies(listeners ...*net.Listener) {
	for _, listener := range listeners {
		if *listener != nil {
			*listener = s.proxies.Listener(*listener, transport.ReadHeaderTimeout, s.refuseConnection)
		}
	}
}

func (s *Server) refuseConnection(peer net.Addr, reason error) {
	if s.strangers.Admit(context.Background(), slog.LevelWarn, "connection", peer.String()) {
		s.log.Warn("connection closed", "peer", peer.String(), "cause", reason.Error())
	}
}
