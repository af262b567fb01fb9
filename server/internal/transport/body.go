package transport

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyTimeout is how long a caller may be silent in the middle of an HTTP/1.1
// body. HTTP/2 needs no such limit: a silent stream there holds no connection,
// and their number is bounded.
const bodyTimeout = 10 * time.Second

// BodyDeadline keeps HTTP/1.1 callers from holding a connection by sending a body
// slowly or never. net/http reads the rest of a body before it answers, also
// when the call was refused unread, so without a deadline the refusal would wait
// for the caller. The deadline moves with every read, and ends with the body, so
// a stream may last as long as it likes.
func BodyDeadline(next http.Handler) http.Handler { return withBodyDeadline(next, bodyTimeout) }

func withBodyDeadline(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && r.Body != http.NoBody {
			body := &deadlineBody{ReadCloser: r.Body, control: http.NewResponseController(w), header: w.Header(), timeout: timeout}
			// A body that was not read to its end must not be followed by another
			// request: what comes next on the connection is its rest.
			body.header.Set("Connection", "close")
			body.extend()
			r.Body = body
		}
		next.ServeHTTP(w, r)
	})
}

type deadlineBody struct {
	io.ReadCloser

	control *http.ResponseController
	header  http.Header
	timeout time.Duration
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{}) // net/http's connections have one
		b.header.Del("Connection")
	}
	return n, err
}

func (b *deadlineBody) extend() {
	_ = b.control.SetReadDeadline(time.Now().Add(b.timeout))
}
