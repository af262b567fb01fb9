package httpauth

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
)

// hijack gives the handler the connection, which is closed with the lease.
func (x *exchange) hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := x.enter(); err != nil {
		return nil, nil, err
	}
	defer func() { _ = x.leave(nil) }()
	conn, buffered, err := x.controller().Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.conn = &trackedConn{Conn: conn, closed: make(chan struct{})}
	x.lease.AfterEnd(x.conn.cut)
	return x.conn.typed(), buffered, nil
}

// A trackedConn notes when it is closed.
type trackedConn struct {
	net.Conn

	once   sync.Once
	closed chan struct{}
}

func (c *trackedConn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// cut closes the connection without a word, which TLS would wait for.
func (c *trackedConn) cut() {
	if secured, ok := c.Conn.(*tls.Conn); ok {
		_ = secured.NetConn().Close()
	}
	_ = c.Close()
}

// typed returns a connection that has every method of the usual ones, such as
// CloseWrite, SyscallConn and ConnectionState.
func (c *trackedConn) typed() net.Conn {
	switch conn := c.Conn.(type) {
	case *net.TCPConn:
		return &tcpConn{conn, c}
	case *tls.Conn:
		return &tlsConn{conn, c}
	default:
		return c
	}
}

type tcpConn struct {
	*net.TCPConn

	tracked *trackedConn
}

func (c *tcpConn) Close() error { return c.tracked.Close() }

type tlsConn struct {
	*tls.Conn

	tracked *trackedConn
}

func (c *tlsConn) Close() error { return c.tracked.Close() }
