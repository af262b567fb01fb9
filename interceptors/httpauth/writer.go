package httpauth

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/http1"
)

// writer is the response as its handler sees it. It has no Unwrap, which would
// lead around the lease.
type writer struct{ x *exchange }

// Handlers ask by a type assertion whether a response can be flushed or hijacked,
// so the writer that one gets has these methods where the original has them.
type (
	flusher         struct{ writer }
	hijacker        struct{ writer }
	flusherHijacker struct{ writer }
)

func (w flusher) Flush()         { _ = w.FlushError() }
func (w flusherHijacker) Flush() { _ = w.FlushError() }

func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error)        { return w.x.hijack() }
func (w flusherHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.x.hijack() }

func (x *exchange) writer() http.ResponseWriter {
	_, flushes := x.outer.(http.Flusher)
	_, hijacks := x.outer.(http.Hijacker)
	switch w := (writer{x}); {
	case flushes && hijacks:
		return flusherHijacker{w}
	case flushes:
		return flusher{w}
	case hijacks:
		return hijacker{w}
	default:
		return w
	}
}

// enter takes the response for one operation; leave gives it back. Before the
// response begins it asks again whether the token still counts. The goroutine
// that ends the lease sees that the response is taken, or enter sees that it has ended.
func (x *exchange) enter() error {
	x.mu.Lock()
	if !x.started && x.lease.Check() != nil {
		x.mu.Unlock()
		return x.lease.Err()
	}
	x.writing.Store(true)
	err := x.lease.Err()
	if err != nil {
		x.writing.Store(false)
		x.mu.Unlock()
	}
	return err
}

// leave returns the error of the operation, or why the end of the lease broke it
// off.
func (x *exchange) leave(err error) error {
	x.writing.Store(false)
	x.mu.Unlock()
	if refusal := x.lease.Err(); err != nil && refusal != nil {
		return refusal
	}
	return err
}

// start comes before the first byte of the response.
func (x *exchange) start() {
	if !x.started {
		x.started = true
		x.copyHeader()
	}
}

// Header is the handler's own copy, since two goroutines must not use one map.
func (w writer) Header() http.Header {
	if w.x.header != nil {
		return w.x.header
	}
	w.x.header = make(http.Header)
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	if w.x.lease.Err() == nil {
		for name, values := range w.x.outer.Header() {
			w.x.header[name] = append([]string(nil), values...)
		}
	}
	return w.x.header
}

func (w writer) WriteHeader(code int) {
	if w.x.enter() != nil {
		return
	}
	defer func() { _ = w.x.leave(nil) }()
	if code >= 200 || code == http.StatusSwitchingProtocols {
		w.x.start()
	} else {
		w.x.copyHeader() // of an informational response
	}
	w.x.outer.WriteHeader(code)
}

func (w writer) Write(p []byte) (n int, err error) {
	if err := w.x.enter(); err != nil {
		return 0, err
	}
	defer func() { err = w.x.leave(err) }()
	w.x.start()
	return w.x.outer.Write(p)
}

// WriteString implements io.StringWriter.
func (w writer) WriteString(s string) (n int, err error) {
	if err := w.x.enter(); err != nil {
		return 0, err
	}
	defer func() { err = w.x.leave(err) }()
	w.x.start()
	return io.WriteString(w.x.outer, s)
}

// piece is how much of a file is sent before the lease is asked again.
const piece = 1 << 20

// ReadFrom implements io.ReaderFrom. Only a file is left to the original, which
// has the kernel copy it: any other source may be waited for, and meanwhile the
// response must not be held.
func (w writer) ReadFrom(src io.Reader) (n int64, err error) {
	to, able := w.x.outer.(io.ReaderFrom)
	rest, limited := src.(*io.LimitedReader)
	if !limited {
		rest = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	if !able || !isFile(rest.R) {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	for err == nil && rest.N > 0 {
		part := io.LimitedReader{R: rest.R, N: min(rest.N, piece)}
		wanted := part.N
		var sent int64
		sent, err = w.readFrom(to, &part)
		n += sent
		rest.N -= wanted - part.N
		if part.N > 0 {
			break // the end of the file
		}
	}
	return n, err
}

func (w writer) readFrom(to io.ReaderFrom, src io.Reader) (n int64, err error) {
	if err := w.x.enter(); err != nil {
		return 0, err
	}
	defer func() { err = w.x.leave(err) }()
	w.x.start()
	return to.ReadFrom(src)
}

func isFile(src io.Reader) bool {
	file, ok := src.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// exchange is for Error, where a handler refuses.
func (w writer) exchange() *exchange { return w.x }

// CloseAfterAnswer is for guards further in, which find no Unwrap here. When the lease
// has ended, the answer is no longer theirs.
func (w writer) CloseAfterAnswer() {
	w.Header().Set("Connection", "close")
	if w.x.enter() != nil {
		return
	}
	defer func() { _ = w.x.leave(nil) }()
	http1.CloseAfterAnswer(w.x.outer)
}

// FlushError is for http.ResponseController, as are the next three.
func (w writer) FlushError() (err error) {
	if err := w.x.enter(); err != nil {
		return err
	}
	defer func() { err = w.x.leave(err) }()
	w.x.start()
	return w.x.controller().Flush()
}

// The deadlines take no lock, since they end what holds it.

func (w writer) SetReadDeadline(t time.Time) error  { return w.x.controller().SetReadDeadline(t) }
func (w writer) SetWriteDeadline(t time.Time) error { return w.x.controller().SetWriteDeadline(t) }
func (w writer) EnableFullDuplex() error            { return w.x.controller().EnableFullDuplex() }
