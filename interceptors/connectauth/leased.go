package connectauth

import (
	"maps"
	"net/http"
	"slices"
	"sync"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// leasedConn is a stream that ends with its lease. The handler may then still be
// running while connect closes the stream, so from there on nothing that it does
// reaches connect.
type leasedConn struct {
	connect.StreamingHandlerConn

	stream *auth.Stream

	mu      sync.Mutex
	header  metadata
	trailer metadata
}

// Receive shows the Guard what was received.
func (c *leasedConn) Receive(message any) error {
	if err := c.stream.Err(); err != nil {
		return err
	}
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return c.stream.ReceivedError(err)
	}
	return c.stream.Received(message)
}

func (c *leasedConn) Send(message any) error {
	return c.stream.Send(func() error {
		c.apply(&c.header, c.StreamingHandlerConn.ResponseHeader)
		return c.StreamingHandlerConn.Send(message)
	})
}

// close gives connect what the handler has left in the header and the trailer.
func (c *leasedConn) close() {
	_ = c.stream.Send(func() error { // where the lease has ended, the refusal is all that is sent
		c.apply(&c.header, c.StreamingHandlerConn.ResponseHeader)
		c.apply(&c.trailer, c.StreamingHandlerConn.ResponseTrailer)
		return nil
	})
}

func (c *leasedConn) ResponseHeader() http.Header {
	return c.copyOf(&c.header, c.StreamingHandlerConn.ResponseHeader)
}

func (c *leasedConn) ResponseTrailer() http.Header {
	return c.copyOf(&c.trailer, c.StreamingHandlerConn.ResponseTrailer)
}

// metadata is the handler's own copy of connect's header or trailer, since two
// goroutines must not use one map. It is made when the handler first asks. What the
// handler has changed of it by the first message, or by the end, is then applied to
// connect's, once: interceptors further out may have changed that, too.
type metadata struct {
	own     http.Header // nil until the handler asks
	before  http.Header // what own was at first
	applied bool
}

func (c *leasedConn) copyOf(m *metadata, connects func() http.Header) http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.own != nil {
		return m.own
	}
	m.own = make(http.Header)
	_ = c.stream.Send(func() error { // where the lease has ended, it stays empty
		maps.Copy(m.own, connects().Clone())
		m.before = m.own.Clone()
		return nil
	})
	return m.own
}

func (c *leasedConn) apply(m *metadata, connects func() http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.own == nil || m.applied {
		return
	}
	m.applied = true
	applyChanges(connects(), m.before, m.own)
}

// applyChanges changes to in the way that before has become after. Values that were
// added come behind those that to has by now; else the values are replaced.
func applyChanges(to, before, after http.Header) {
	for name, values := range after {
		was, had := before[name]
		switch {
		case had && slices.Equal(values, was):
		case len(values) > len(was) && slices.Equal(values[:len(was)], was):
			to[name] = append(slices.Clip(to[name]), values[len(was):]...)
		default:
			to[name] = slices.Clone(values)
		}
	}
	maps.DeleteFunc(to, func(name string, _ []string) bool {
		_, had := before[name]
		_, has := after[name]
		return had && !has
	})
}
