package connectauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Abortable lets streams end whose client has stopped reading, and streams over
// HTTP/1.1 whose client sends nothing:
//
//	server := &http.Server{Handler: connectauth.Abortable(mux)}
//
// connect-go gives an interceptor no hold on the connection. Without Abortable
// the handler of such a stream is told when its lease ends, and nothing more is
// sent, but the stream stays open until its client reads or sends on, or is gone.
//
// Over HTTP/1.1 a client that goes on sending for long may find the connection
// reset before it has read why; that is how HTTP/1.1 ends what it has not read.
func Abortable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &transport{controller: http.NewResponseController(w)}
		request := r.WithContext(context.WithValue(r.Context(), transportKey{}, t))
		if r.ProtoMajor == 1 && r.Body != http.NoBody {
			t.receiving.Store(true)
			request.Body = &body{ReadCloser: r.Body, transport: t}
		}
		next.ServeHTTP(w, request)
		if t.aborted.Load() {
			t.linger(r.Context())
		}
	})
}

// lingering is how long a client that is just sending has to read the answer
// before the connection is closed.
const lingering = 300 * time.Millisecond

type transportKey struct{}

// transport is what is below a stream. It is nil where nothing is known of it.
type transport struct {
	controller *http.ResponseController
	receiving  atomic.Bool // HTTP/1.1 has more of the body to come
	aborted    atomic.Bool // Receive was made to return
}

// body notes its end.
type body struct {
	io.ReadCloser

	transport *transport
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.transport.receiving.Store(false)
	}
	return n, err
}

// linger sends the answer and leaves the client time to read it: net/http closes
// a connection at once whose body it cannot read on, and what arrives then makes
// the client lose the answer.
func (t *transport) linger(ctx context.Context) {
	_ = t.controller.Flush()
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func transportOf(ctx context.Context) *transport {
	t, _ := ctx.Value(transportKey{}).(*transport)
	return t
}

// abortSend makes a Send return that waits for the client to read. The client
// sees a stream that was reset.
func (t *transport) abortSend() {
	if t != nil {
		_ = t.controller.SetWriteDeadline(time.Now()) // where it cannot, Send is waited for
	}
}

// abortReceive makes a Receive return that waits for the client to send. HTTP/2
// does so by itself when the handler returns. HTTP/1.1 would wait for what is
// still to come, and meanwhile keep the answer back.
func (t *transport) abortReceive() {
	if t != nil && t.receiving.Load() {
		t.aborted.Store(true)
		_ = t.controller.SetReadDeadline(time.Now()) // where it cannot, Receive is waited for
	}
}
