// Package bounds keeps callers from taking a server from others: by too many connections, by
// HTTP/2 streams that are reset without pause, and by more memory than there is.
//
//	connections := &bounds.Connections{Max: 5000, MaxPerAddress: 2500, Refused: logRefused}
//	grpcServer := grpc.NewServer(grpc.Creds(new(bounds.Resets).Credentials(credentials.NewTLS(config))))
//	err := grpcServer.Serve(connections.Listener(listener))
package bounds

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Connections bounds how many connections are open at once, over all its listeners. One
// more is closed at once, so that its client knows. Set the fields before use; it is then
// safe for concurrent use.
type Connections struct {
	// Max is how many there may be. 0 or less is any number.
	Max int
	// MaxPerAddress is how many of them may come from one address, or from one network of 64
	// bits of IPv6, which one caller has. 0 or less is any number.
	MaxPerAddress int
	// Exempt reports whether connections from a peer count only for Max, such as those of a
	// proxy. nil is for none.
	Exempt func(peer string) bool
	// Refused is called with the peer of each connection that was closed, and why. Optional.
	Refused func(peer net.Addr, reason string)

	refused atomic.Int64

	mu        sync.Mutex
	open      int
	addresses map[netip.Prefix]int
}

// Listener returns a listener whose connections count. It may be called for several
// listeners.
func (c *Connections) Listener(inner net.Listener) net.Listener { return &listener{inner, c} }

// Open returns how many connections are open.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// RefusedTotal returns how many connections were closed since there were too many.
func (c *Connections) RefusedTotal() int64 { return c.refused.Load() }

type listener struct {
	net.Listener
	connections *Connections
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := accepted.RemoteAddr()
		from, reason := l.connections.take(peer)
		if reason == "" {
			return &conn{Conn: accepted, leave: sync.OnceFunc(func() { l.connections.leave(from) })}, nil
		}
		_ = accepted.Close()
		l.connections.refused.Add(1)
		if l.connections.Refused != nil {
			l.connections.Refused(peer, reason)
		}
	}
}

// take counts a connection by where it is from: the zero value is not counted by itself. The
// reason says why the connection is not counted, as there are too many.
func (c *Connections) take(peer net.Addr) (from netip.Prefix, reason string) {
	if c.MaxPerAddress > 0 && (c.Exempt == nil || !c.Exempt(peer.String())) {
		from = network(peer.String())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.Max > 0 && c.open >= c.Max:
		return from, "too many connections"
	case from.IsValid() && c.addresses[from] >= c.MaxPerAddress:
		return from, "too many connections from one address"
	}
	c.open++
	if from.IsValid() {
		if c.addresses == nil {
			c.addresses = make(map[netip.Prefix]int)
		}
		c.addresses[from]++
	}
	return from, ""
}

func (c *Connections) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if !from.IsValid() {
		return
	}
	if c.addresses[from]--; c.addresses[from] == 0 {
		delete(c.addresses, from)
	}
}

type conn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
