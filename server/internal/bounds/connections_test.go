package bounds

import (
	"errors"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A wire is a connection from an address.
type wire struct {
	net.Conn
	peer   string
	closed bool
}

func (w *wire) RemoteAddr() net.Addr {
	if at, err := net.ResolveTCPAddr("tcp", w.peer); err == nil {
		return at
	}
	return &net.UnixAddr{Name: w.peer}
}

func (w *wire) Close() error { w.closed = true; return nil }

// A queue is a listener to which connections have come.
type queue struct {
	net.Listener
	waiting []*wire
}

func (q *queue) Accept() (net.Conn, error) {
	if len(q.waiting) == 0 {
		return nil, io.EOF
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	return next, nil
}

func TestConnectionsBeyondTheBoundsAreClosed(t *testing.T) {
	t.Parallel()
	var refused []string
	c := &Connections{
		Max: 5, MaxPerAddress: 2,
		Exempt:  func(peer string) bool { return peer == "10.0.0.9:1" },
		Refused: func(peer net.Addr, reason string) { refused = append(refused, peer.String()+" "+reason) },
	}
	first, second := &queue{}, &queue{}
	accept := func(q *queue, peer string) net.Conn {
		t.Helper()
		came := &wire{peer: peer}
		q.waiting = append(q.waiting, came)
		conn, err := c.Listener(q).Accept()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if (conn == nil) != came.closed {
			t.Errorf("%s: accepted %t, closed %t", peer, conn != nil, came.closed)
		}
		return conn
	}
	one := accept(first, "10.0.0.1:1")
	_ = accept(second, "10.0.0.1:2")
	_ = accept(first, "10.0.0.1:3") // a third
	_ = accept(first, "[::ffff:10.0.0.1]:4")
	if len(refused) != 2 || refused[0] != "10.0.0.1:3 too many connections from one address" {
		t.Fatalf("refused %q; want the third and the fourth of the address", refused)
	}
	_ = one.Close()
	_ = one.Close() // which counts once
	six := accept(second, "[2001:db8::1]:1")
	_ = accept(second, "[2001:db8::2]:1")
	_ = accept(second, "[2001:db8::3]:1") // of the same network
	if len(refused) != 3 {
		t.Fatalf("refused %q; want the third of the network, too", refused)
	}
	_ = accept(first, "10.0.0.9:1")
	_ = accept(first, "10.0.0.9:1")
	_ = accept(first, "10.0.0.9:1") // a sixth in all
	if len(refused) != 4 || refused[3] != "10.0.0.9:1 too many connections" || c.Open() != 5 || c.RefusedTotal() != 4 {
		t.Fatalf("refused %q, %d are open; want the sixth in all, too", refused, c.Open())
	}
	_ = six.Close()
	if accept(first, "@socket") == nil {
		t.Error("one without an IP address is refused, though there is a place")
	}
	if c.Open() != 5 || len(c.addresses) != 2 {
		t.Errorf("%d are open, of %v", c.Open(), c.addresses)
	}
}

func TestFramesAreFoundHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	stream := []byte("preface")
	for _, frame := range [][]byte{{0, 0, 2, 1, 0, 0, 0, 0, 1, 3, 3}, {0, 0, 0, 4, 0, 0, 0, 0, 0}, {0, 0, 4, 3, 0, 0, 0, 0, 1, 3, 3, 3, 3}} {
		stream = append(stream, frame...)
	}
	for size := 1; size <= len(stream); size++ {
		f := frames{skip: len("preface")}
		var found []byte
		for rest := stream; len(rest) > 0; {
			part := rest[:min(size, len(rest))]
			rest = rest[len(part):]
			f.pass(part, func(of http2.FrameType) bool { found = append(found, byte(of)); return true })
		}
		if string(found) != "\x01\x04\x03" || !f.between() {
			t.Errorf("in parts of %d: %v, between %t; want 1, 4 and 3", size, found, f.between())
		}
	}
}
