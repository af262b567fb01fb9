// Package http1 does with net/http's server what HTTP/1.1 alone needs.
package http1

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// CloseAfterAnswer has net/http close an HTTP/1.1 connection as soon as the answer
// is complete, without waiting for the rest of the body; but first it closes its
// own side and leaves the client time to read. A connection that is closed with
// something unread is reset, and a client that is just sending then loses the
// answer. Call it before the answer begins.
//
// net/http does that for a request that is too large. This is such a one, as what
// remains of it is more than anybody wants.
func CloseAfterAnswer(w http.ResponseWriter) {
	w.Header().Set("Connection", "close") // enough for a writer that net/http does not know
	for {
		switch wrapper := w.(type) {
		case interface{ CloseAfterAnswer() }:
			wrapper.CloseAfterAnswer()
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapper.Unwrap()
		default:
			tooLong := io.NopCloser(strings.NewReader("a"))
			_, _ = http.MaxBytesReader(w, tooLong, 0).Read(make([]byte, 1))
			return
		}
	}
}

// HoldKey finds in a request's context what has a hold on its connection.
type HoldKey struct{}

// A Holder has a hold on a connection, through the response of a request.
type Holder interface {
	// Through returns the hold through another response, which wraps that of the
	// Holder.
	Through(w http.ResponseWriter) Holder
}

// Through has the hold of the context, if there is one, go through a response that
// locks: two goroutines must not use one response at once.
func Through(ctx context.Context, w http.ResponseWriter) context.Context {
	if holder, ok := ctx.Value(HoldKey{}).(Holder); ok {
		return context.WithValue(ctx, HoldKey{}, holder.Through(w))
	}
	return ctx
}
