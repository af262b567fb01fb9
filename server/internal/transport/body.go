package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// silenceTimeout is how long a caller may be silent in the middle of an HTTP/1.1
// body. HTTP/2 needs no such limit: a silent stream there holds no connection,
// and their number is bounded.
const silenceTimeout = 10 * time.Second

// BodyDeadline keeps callers from holding a call, and its connection over
// HTTP/1.1, by sending a body slowly or never.
//
// A body must have arrived whole within the limit, except that of a stream, which
// may last as long as it likes. When it has not, reading it fails: a unary call
// is then DEADLINE_EXCEEDED.
//
// Over HTTP/1.1 the caller must also not be silent for longer than 10 seconds,
// in streams too. net/http reads the rest of a body before it answers, also when
// the call was refused unread, so without a deadline the refusal would wait for
// the caller.
func BodyDeadline(limit time.Duration, isStream func(path string) bool) Middleware {
	return bodyDeadline(limit, silenceTimeout, isStream)
}

func bodyDeadline(limit, silence time.Duration, isStream func(path string) bool) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := &deadlineBody{ReadCloser: r.Body, control: http.NewResponseController(w)}
			if !isStream(r.URL.Path) {
				body.limit, body.end = limit, time.Now().Add(limit)
			}
			if r.ProtoMajor == 1 {
				body.silence = silence
				// A body that was not read to its end must not be followed by another
				// request: what comes next on the connection is its rest.
				if header := w.Header(); header.Get("Connection") == "" { // else it is closed in any case
					body.unread = header
				}
			}
			if r.Body != http.NoBody && (body.limit > 0 || body.silence > 0) {
				body.begin()
				r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
				r.Body = body
			}
			next.ServeHTTP(w, r)
		})
	}
}

// deadlineBody is a body with a deadline. It ends with the body, since what
// follows on the connection has deadlines of its own.
type deadlineBody struct {
	io.ReadCloser

	control *http.ResponseController
	late    atomic.Bool   // whether a read came too late
	unread  http.Header   // closes the connection until the body was read; nil for HTTP/2
	silence time.Duration // 0 for none
	limit   time.Duration // 0 for none
	end     time.Time     // when the limit is over; zero for none
}

func (b *deadlineBody) begin() {
	if b.unread != nil {
		b.unread.Set("Connection", "close")
	}
	b.extend()
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	if b.silence > 0 {
		b.extend()
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{}) // net/http's connections have one
		if b.unread != nil {
			b.unread.Del("Connection")
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, b.tooLate()
	}
	return n, err
}

// extend sets the deadline of the next read.
func (b *deadlineBody) extend() {
	deadline := b.end
	if b.silence > 0 {
		if next := time.Now().Add(b.silence); deadline.IsZero() || next.Before(deadline) {
			deadline = next
		}
	}
	_ = b.control.SetReadDeadline(deadline)
}

type bodyKey struct{}

// requestWasLate reports whether the request did not arrive in time.
func requestWasLate(ctx context.Context) bool {
	body, ok := ctx.Value(bodyKey{}).(*deadlineBody)
	return ok && body.late.Load()
}

// tooLate returns the error of a body that did not arrive in time. It is what a
// unary caller reads.
func (b *deadlineBody) tooLate() error {
	b.late.Store(true)
	if !b.end.IsZero() && !time.Now().Before(b.end) {
		return lateError(fmt.Sprintf("the request did not arrive within %v", b.limit))
	}
	return lateError(fmt.Sprintf("nothing of the request arrived for %v", b.silence))
}

// A lateError is taken for a deadline that was exceeded.
type lateError string

func (e lateError) Error() string { return string(e) }
func (lateError) Unwrap() error   { return os.ErrDeadlineExceeded }
