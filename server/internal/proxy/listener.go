package proxy

import (
	"errors"
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

var (
	errStranger = errors.New("it is not one of the trusted proxies, and only they may connect where the PROXY protocol is expected")
	errHeader   = errors.New("a trusted proxy has sent no PROXY protocol header; let it send one (send-proxy-v2 in HAProxy), or do not expect one")
)

// Listener accepts only connections of trusted peers, and only those that begin with a PROXY
// protocol header, version 1 or 2, within the timeout. RemoteAddr of such a connection is the
// client that the header names. All others are closed, and refused is called with the reason,
// from any goroutine.
func (t Trusted) Listener(inner net.Listener, timeout time.Duration, refused func(peer net.Addr, reason error)) net.Listener {
	return &listener{refused: refused, Listener: &proxyproto.Listener{
		Listener:          inner,
		ReadHeaderTimeout: timeout,
		ConnPolicy: func(ends proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if t.Contains(ends.Upstream.String()) {
				return proxyproto.REQUIRE, nil
			}
			refused(ends.Upstream, errStranger)
			return proxyproto.REJECT, proxyproto.ErrInvalidUpstream // which has it closed
		},
	}}
}

type listener struct {
	net.Listener

	refused func(peer net.Addr, reason error)
}

func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if announced, ok := accepted.(*proxyproto.Conn); ok && err == nil {
		accepted = &conn{announced, l.refused}
	}
	return accepted, err
}

type conn struct {
	*proxyproto.Conn

	refused func(peer net.Addr, reason error)
}

// Read also reads the header, before all else.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, proxyproto.ErrNoProxyProtocol) {
		c.refused(c.Raw().RemoteAddr(), errHeader)
	}
	return n, err
}

// RemoteAddr returns the client. It is unknown where the proxy names none, as for a connection
// of its own: what comes through is not known to be the proxy's word.
func (c *conn) RemoteAddr() net.Addr {
	if header := c.ProxyHeader(); header != nil && (header.Command.IsLocal() || header.SourceAddr == nil) {
		return address("unknown")
	}
	return c.Conn.RemoteAddr()
}
