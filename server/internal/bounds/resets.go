package bounds

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/credentials"
)

// The callers of an address, or of an IPv6 network of 64 bits, may together take back as many
// calls at once as they can have open on four connections, and 200 a second for ever. One who
// does so without pause has the server begin calls and throw them away (CVE-2023-44487); to
// connect again gains nothing.
//
// Where that is used up, each connection may still take back a few of its own, so that a caller
// behind a shared address, who takes back a call now and then, goes on beside one who does so
// without pause.
const (
	resetsAtOnce    = 1000
	resetsPerSecond = 200

	ownAtOnce    = 10
	ownPerSecond = 1
)

// Resets closes connections whose client resets streams of HTTP/2 without pause. The zero
// value closes those of everybody, and says nothing of it. Set the fields before use; it is
// then safe for concurrent use.
type Resets struct {
	// Exempt reports whether a peer may reset without pause, such as a proxy, through which
	// many callers come. nil is for none.
	Exempt func(peer string) bool
	// Closed is called with the peer of each connection that was closed. Optional.
	Closed func(peer net.Addr)

	addresses addresses
}

// allow counts a reset. It reports whether the connection may stay.
func (r *Resets) allow(peer net.Addr, own *rate.Limiter) bool {
	return r.Exempt != nil && r.Exempt(peer.String()) || r.addresses.of(peer.String(), resetsPerSecond, resetsAtOnce).Allow() || own.Allow()
}

func newOwn() *rate.Limiter { return rate.NewLimiter(ownPerSecond, ownAtOnce) }

func (r *Resets) tell(peer net.Addr) {
	if r.Closed != nil {
		r.Closed(peer)
	}
}

// Bound has a server of net/http close such connections. A request that was reset before its
// handler runs is not served. Set the server's Handler before. It takes the server's
// ConnContext.
func (r *Resets) Bound(server *http.Server) {
	type connKey struct{}
	type connection struct {
		net.Conn

		own    *rate.Limiter
		resets atomic.Int64 // that are not counted yet
		closed atomic.Bool
	}
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		// No other connection is accepted meanwhile, and RemoteAddr may wait for a PROXY protocol
		// header, so the peer is asked for later.
		return context.WithValue(ctx, connKey{}, &connection{Conn: conn, own: newOwn()})
	}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		conn, ok := request.Context().Value(connKey{}).(*connection)
		if !ok || request.ProtoMajor != 2 {
			next.ServeHTTP(w, request)
			return
		}
		// Calls also end with their connection. So they count when the next one has come.
		for range conn.resets.Swap(0) {
			if !r.allow(conn.RemoteAddr(), conn.own) && conn.closed.CompareAndSwap(false, true) {
				_ = conn.Close()
				r.tell(conn.RemoteAddr())
			}
		}
		defer func() {
			if request.Context().Err() != nil {
				conn.resets.Add(1)
			}
		}()
		if request.Context().Err() == nil {
			next.ServeHTTP(w, request)
		}
	})
}

// Credentials returns those of a server of grpc-go that closes such connections, with
// ENHANCE_YOUR_CALM (RFC 9113, section 10.5).
func (r *Resets) Credentials(of credentials.TransportCredentials) credentials.TransportCredentials {
	return calm{of, r}
}

type calm struct {
	credentials.TransportCredentials
	*Resets
}

// ServerHandshake implements credentials.TransportCredentials.
func (c calm) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return &calmConn{
		Conn:     secured,
		received: frames{skip: len(http2.ClientPreface)},
		resets:   c.Resets,
		own:      newOwn(),
	}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (c calm) Clone() credentials.TransportCredentials {
	return calm{c.TransportCredentials.Clone(), c.Resets}
}

// A calmConn is a connection of HTTP/2 whose frames are looked at. grpc-go reads and writes it
// in one goroutine each.
type calmConn struct {
	net.Conn

	received frames
	resets   *Resets
	own      *rate.Limiter

	mu   sync.Mutex // guards sent, and that a frame is written whole
	sent frames
}

var errTooManyResets = errors.New("the client resets streams without pause")

// Read implements net.Conn.
func (c *calmConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.pass(p[:n], func(of http2.FrameType) bool {
		if of != http2.FrameRSTStream || c.resets.allow(c.RemoteAddr(), c.own) {
			return true
		}
		err = errTooManyResets
		return false
	})
	if errors.Is(err, errTooManyResets) {
		c.goAway()
		return 0, err
	}
	return n, err
}

// Write implements net.Conn.
func (c *calmConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.sent.pass(p[:n], func(http2.FrameType) bool { return true })
	return n, err
}

// goAwayTimeout bounds the last words to a client that may not read them.
const goAwayTimeout = time.Second

// goAway says why, unless the client has stopped reading amid a frame, and closes.
func (c *calmConn) goAway() {
	_ = c.SetWriteDeadline(time.Now().Add(goAwayTimeout))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent.between() {
		_ = http2.NewFramer(c.Conn, nil).WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("too_many_resets"))
	}
	_ = c.Close()
	c.resets.tell(c.RemoteAddr())
}

// frames knows where the frames begin in what passes (RFC 9113, section 4.1).
type frames struct {
	skip   int // what is left of the frame, or comes before the first
	header [9]byte
	have   int // of the header
}

// pass calls each with the type of each frame that begins in p, until it returns false.
func (f *frames) pass(p []byte, each func(http2.FrameType) bool) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip, p = f.skip-n, p[n:]
			continue
		}
		n := copy(f.header[f.have:], p)
		f.have, p = f.have+n, p[n:]
		if f.have < len(f.header) {
			return
		}
		f.have, f.skip = 0, int(binary.BigEndian.Uint32(f.header[:4])>>8)
		if !each(http2.FrameType(f.header[3])) {
			return
		}
	}
}

// between reports whether no frame has begun that has not ended.
func (f *frames) between() bool { return f.skip == 0 && f.have == 0 }
