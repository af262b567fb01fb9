// Package http1 does with net/http's server what HTTP/1.1 alone needs.
package http1

import (
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
