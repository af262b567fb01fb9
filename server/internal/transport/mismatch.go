package transport

import (
	"context"
	"log/slog"
	"net"
	"strings"

	"github.com/ostiary/ostiary/internal/logsample"
)

// A Port is an address that callers connect to.
type Port struct {
	// Setting is the one that gives the address, such as http_addr.
	Setting string
	// TLS says whether the port serves TLS.
	TLS bool
}

// LogMismatch returns a listener that logs callers who speak TLS to a port without it, and
// those who do not to a port with it. They never get as far as a call, and their own error
// seldom says why. It waits for nothing: it looks at the first byte when that is read.
func LogMismatch(listener net.Listener, port Port, strangers *logsample.Sampler) net.Listener {
	return &mismatchListener{listener, port, strangers}
}

type mismatchListener struct {
	net.Listener

	port      Port
	strangers *logsample.Sampler
}

func (l *mismatchListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &mismatchConn{Conn: conn, listener: l}, nil
}

// tlsHandshake is the first byte of TLS (RFC 8446, section 5.1), and of no HTTP.
const tlsHandshake = 0x16

// look logs a caller whose first byte is not what the port serves.
func (l *mismatchListener) look(first byte, peer net.Addr) {
	if (first == tlsHandshake) == l.port.TLS {
		return
	}
	kind, message, remedy := "tls_to_plaintext", "a caller spoke TLS to a port that serves plaintext",
		"have the caller use http://, or plaintext credentials of gRPC; or set tls_cert and tls_key"
	if l.port.TLS {
		kind, message, remedy = "plaintext_to_tls", "a caller spoke no TLS to a port that serves TLS",
			"have the caller use https://, or TLS credentials of gRPC"
	}
	ctx := context.Background()
	if l.strangers.Admit(ctx, slog.LevelWarn, kind, peer.String()) {
		l.strangers.Logger.WarnContext(ctx, message, "peer", peer.String(), "port", l.port.Setting, "addr", l.Addr().String(), "remedy", remedy) //nolint:sloglint // one of two constants
	}
}

// A mismatchConn is a connection whose first byte is looked at.
type mismatchConn struct {
	net.Conn

	listener *mismatchListener // nil once it has looked
}

func (c *mismatchConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.listener != nil {
		c.listener.look(p[0], c.RemoteAddr())
		c.listener = nil
	}
	return n, err
}

// CloseWrite has net/http end an answer without a reset, which could overtake it.
func (c *mismatchConn) CloseWrite() error {
	if conn, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return conn.CloseWrite()
	}
	return nil
}

// withoutMismatch leaves out what net/http logs of callers whom LogMismatch has logged.
type withoutMismatch struct{ slog.Handler }

func (h withoutMismatch) Handle(ctx context.Context, record slog.Record) error {
	if strings.HasSuffix(record.Message, "client sent an HTTP request to an HTTPS server") ||
		strings.HasSuffix(record.Message, "first record does not look like a TLS handshake") {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}
