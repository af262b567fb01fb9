package connectauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/http1"
)

// Abortable lets the guards of the handlers in next cut a connection that connect-go
// would keep open:
//
//	server := &http.Server{Handler: connectauth.Abortable(mux)}
//
// With it a stream ends with its lease although its client has stopped reading, or
// sends nothing over HTTP/1.1. Without it the context of the handler ends, and
// nothing more is sent, but the stream stays open until its client reads or sends
// on, or is gone.
//
// A refused call over HTTP/1.1 whose body has not arrived is answered at once, and
// its connection is closed; without Abortable net/http waits for the body first.
// Where the body is short and its length is known, it is read and dropped, and the
// connection stays open.
//
// A client over HTTP/1.1 that goes on sending for half a second after the answer
// may find the connection reset before it has read why; that is how HTTP/1.1 ends
// what it has not read.
func Abortable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &transport{writer: w, controller: http.NewResponseController(w), reception: new(reception)}
		request := r.WithContext(context.WithValue(r.Context(), http1.HoldKey{}, t))
		if r.ProtoMajor == 1 && r.ContentLength != 0 {
			t.request = request
			t.receiving.Store(true)
			request.Body = &body{ReadCloser: r.Body, transport: t}
			w = &lastWriter{ResponseWriter: w, transport: t}
		}
		next.ServeHTTP(w, request)
	})
}

const (
	// drainLimit is the longest body of a refused call that is read and dropped.
	drainLimit = 64 << 10
	// drainTime is how long such a body may take to arrive.
	drainTime = 250 * time.Millisecond
)

// transport controls the connection of one call; nil without Abortable.
type transport struct {
	writer     http.ResponseWriter
	controller *http.ResponseController
	*reception
}

// reception is what is known of the body of a request.
type reception struct {
	request   *http.Request // nil unless HTTP/1.1 brings a body
	receiving atomic.Bool   // HTTP/1.1 has more of the body to come
	aborted   atomic.Bool   // what is still to come is not received
}

// Through implements http1.Holder.
func (t *transport) Through(w http.ResponseWriter) http1.Holder {
	return &transport{writer: w, controller: http.NewResponseController(w), reception: t.reception}
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

// lastWriter leaves it to net/http to flush the answer that ends a connection, so
// that its end goes out together with the rest. A client that is only sending finds
// the connection reset, and can then read no more than what came with the headers.
type lastWriter struct {
	http.ResponseWriter

	transport *transport
}

func (w *lastWriter) Flush() {
	if !w.transport.aborted.Load() {
		_ = w.transport.controller.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (w *lastWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func transportOf(ctx context.Context) *transport {
	t, _ := ctx.Value(http1.HoldKey{}).(*transport)
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
		http1.CloseAfterAnswer(t.writer)
		_ = t.controller.SetReadDeadline(time.Now()) // where it cannot, Receive is waited for
	}
}

// refuse prepares for the answer to a call whose body nobody wants.
func (t *transport) refuse() {
	if t != nil && t.receiving.Load() && !t.drain() {
		t.abortReceive()
	}
}

// drain drops a short body, and reports whether all of it was there.
func (t *transport) drain() bool {
	if t.request.ContentLength <= 0 || t.request.ContentLength > drainLimit || t.request.Header.Get("Expect") != "" {
		return false
	}
	timer := time.AfterFunc(drainTime, func() { _ = t.controller.SetReadDeadline(time.Now()) })
	defer timer.Stop()
	_, err := io.Copy(io.Discard, t.request.Body)
	return err == nil
}
