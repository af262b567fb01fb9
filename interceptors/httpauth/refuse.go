package httpauth

import (
	"net/http"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/http1"
)

const (
	// drainLimit is the longest body of a refused request that is read and dropped,
	// so that its connection can be used again.
	drainLimit = 64 << 10
	// drainTime is how long such a body may take to arrive.
	drainTime = 250 * time.Millisecond
)

// refuseRequest answers a request whose body nobody wants. Over HTTP/1.1 net/http
// reads what is left of a body before it answers, so only a short one is left to it.
func refuseRequest(w http.ResponseWriter, r *http.Request, answer refusals, err error) {
	if hasBody(r) {
		if r.ContentLength < 0 || r.ContentLength > drainLimit {
			refuseAtOnce(w, r, answer, err)
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
	}
	answer.refuse(w, r, err)
}

// refuseAtOnce answers without waiting for what is still to come of the body, nor
// for the handler to return.
func refuseAtOnce(w http.ResponseWriter, r *http.Request, answer refusals, err error) {
	switch {
	case hasBody(r):
		http1.CloseAfterAnswer(w)
	case r.ProtoMajor == 1:
		w.Header().Set("Connection", "close") // the handler may keep the connection from being used again
	}
	answer.refuse(w, r, err)
	controller := http.NewResponseController(w)
	_ = controller.Flush()
	if hasBody(r) {
		_ = controller.SetReadDeadline(past) // net/http reads on in vain
	}
}

// hasBody reports whether a request has a body that net/http would read to its end.
func hasBody(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.Body != nil && r.ContentLength != 0
}
