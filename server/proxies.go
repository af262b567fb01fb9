package server

import (
	"context"
	"log/slog"
	"net"

	"github.com/ostiary/ostiary/server/internal/transport"
)

// expectProxies has the listeners that there are expect the PROXY protocol, and connections count
// for the client that its header names.
func (s *Server) expectProxies(listeners ...*net.Listener) {
	for _, listener := range listeners {
		if *listener != nil {
			*listener = s.connections.ClientListener(s.proxies.Listener(*listener, transport.ReadHeaderTimeout, s.refuseConnection))
		}
	}
}

// boundConnections has the connections of the listeners that there are count.
func (s *Server) boundConnections(listeners ...*net.Listener) {
	for _, listener := range listeners {
		if *listener != nil {
			*listener = s.connections.Listener(*listener)
		}
	}
}

func (s *Server) refuseConnection(peer net.Addr, reason error) {
	s.closeConnection(peer, reason.Error())
}

// closeConnection logs that a connection was closed, and why.
func (s *Server) closeConnection(peer net.Addr, cause string) {
	if s.strangers.Admit(context.Background(), slog.LevelWarn, "connection", peer.String()) {
		s.log.Warn("connection closed", "peer", peer.String(), "cause", cause)
	}
}
