// Package bounds keeps callers from taking a server from others: by too many connections, by
// HTTP/2 streams that are reset without pause, by tokens that are refused without pause, by
// messages of issuers, and by more memory than there is.
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
		l.connections.refuse(accepted, peer, reason)
	}
}

// refuse closes a connection.
func (c *Connections) refuse(refused net.Conn, peer net.Addr, reason string) {
	_ = refused.Close()
	c.refused.Add(1)
	if c.Refused != nil {
		c.Refused(peer, reason)
	}
}

// take counts a connection by where it is from: the zero value is not counted by itself. The
// reason says why the connection is not counted, as there are too many.
func (c *Connections) take(peer net.Addr) (from netip.Prefix, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Max > 0 && c.open >= c.Max {
		return from, "too many connections"
	}
	if from, reason = c.takeAddress(peer); reason == "" {
		c.open++
	}
	return from, reason
}

// takeClient is take for a connection that counts already, now that its client is known.
func (c *Connections) takeClient(peer net.Addr) (from netip.Prefix, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeAddress(peer)
}

func (c *Connections) takeAddress(peer net.Addr) (from netip.Prefix, reason string) {
	if c.MaxPerAddress > 0 && (c.Exempt == nil || !c.Exempt(peer.String())) {
		from = network(peer.String())
	}
	switch {
	case !from.IsValid():
		return from, ""
	case c.addresses[from] >= c.MaxPerAddress:
		return netip.Prefix{}, "too many connections from one address"
	}
	if c.addresses == nil {
		c.addresses = make(map[netip.Prefix]int)
	}
	c.addresses[from]++
	return from, ""
}

func (c *Connections) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	c.leaveAddress(from)
}

func (c *Connections) leaveClient(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveAddress(from)
}

func (c *Connections) leaveAddress(from netip.Prefix) {
	if !from.IsValid() {
		return
	}
	if c.addresses[from]--; c.addresses[from] == 0 {
		delete(c.addresses, from)
	}
}

// ClientListener returns a listener for connections through an exempt proxy that say only with
// their first bytes who the client is: they count for the client's address from the first Read
// on, by their RemoteAddr. If there are too many, the connection is closed instead, and Read
// fails. A connection whose RemoteAddr is exempt, or no address, does not count.
func (c *Connections) ClientListener(inner net.Listener) net.Listener {
	return &clientListener{inner, c}
}

type clientListener struct {
	net.Listener
	connections *Connections
}

// Accept implements net.Listener.
func (l *clientListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &clientConn{Conn: accepted, connections: l.connections}, nil
}

// A clientConn is a connection through a proxy.
type clientConn struct {
	net.Conn
	connections *Connections

	count, leave sync.Once
	from         netip.Prefix // set by count
	refused      bool         // set by count
}

// Read implements net.Conn.
func (c *clientConn) Read(p []byte) (int, error) {
	c.count.Do(func() {
		peer := c.RemoteAddr()
		from, reason := c.connections.takeClient(peer)
		if c.from = from; reason != "" {
			c.refused = true
			c.connections.refuse(c.Conn, peer, reason)
		}
	})
	if c.refused {
		return 0, net.ErrClosed
	}
	return c.Conn.Read(p)
}

// Close implements net.Conn.
func (c *clientConn) Close() error {
	err := c.Conn.Close() // first, so that a Read which waits for the client's name ends
	c.leave.Do(func() {
		c.count.Do(func() {})
		c.connections.leaveClient(c.from)
	})
	return err
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
