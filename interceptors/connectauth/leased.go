package connectauth

import (
	"maps"
	"net/http"
	"sync"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// leasedConn is a stream that ends with its lease. The handler may then still be
// running while connect closes the stream, so from there on nothing that it does
// reaches connect.
type leasedConn struct {
	connect.StreamingHandlerConn

	lease *auth.Lease

	mu      sync.Mutex
	header  metadata
	trailer metadata
}

// Receive shows the Guard what was received.
func (c *leasedConn) Receive(message any) error {
	if err := c.lease.Err(); err != nil {
		return err
	}
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	return c.lease.CheckMessage(message)
}

func (c *leasedConn) Send(message any) error {
	if err := c.lease.Enter(); err != nil {
		return err
	}
	defer c.lease.Leave()
	c.flush(&c.header, c.StreamingHandlerConn.ResponseHeader)
	return c.StreamingHandlerConn.Send(message)
}

// close gives connect what the handler has left in the header and the trailer.
func (c *leasedConn) close() {
	if c.lease.Enter() != nil {
		return
	}
	defer c.lease.Leave()
	c.flush(&c.header, c.StreamingHandlerConn.ResponseHeader)
	c.flush(&c.trailer, c.StreamingHandlerConn.ResponseTrailer)
}

func (c *leasedConn) ResponseHeader() http.Header {
	return c.copyOf(&c.header, c.StreamingHandlerConn.ResponseHeader)
}

func (c *leasedConn) ResponseTrailer() http.Header {
	return c.copyOf(&c.trailer, c.StreamingHandlerConn.ResponseTrailer)
}

// metadata is the handler's own copy of connect's header or trailer, since two
// goroutines must not use one map. It is made when the handler first asks, and
// what has become of it is copied back once.
type metadata struct {
	own     http.Header
	flushed bool
}

func (c *leasedConn) copyOf(m *metadata, connects func() http.Header) http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.own != nil {
		return m.own
	}
	m.own = make(http.Header)
	if c.lease.Enter() == nil {
		maps.Copy(m.own, connects())
		c.lease.Leave()
	}
	return m.own
}

func (c *leasedConn) flush(m *metadata, connects func() http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.own == nil || m.flushed {
		return
	}
	m.flushed = true
	to := connects()
	clear(to)
	maps.Copy(to, m.own)
}
