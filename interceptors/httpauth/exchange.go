package httpauth

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// grace is how long a handler that was answered for may take to return.
const grace = time.Second

// past is a deadline that ends at once what waits for the client.
var past = time.Unix(1, 0)

// An exchange is one request and its response under a lease. When the lease ends,
// cut has the response while the handler may still be running, so whatever the
// handler does with it takes the lock and asks the lease first.
type exchange struct {
	refusals refusals
	lease    *auth.Stream
	outer    http.ResponseWriter
	request  *http.Request // as it came
	body     requestBody

	header http.Header // the handler's own; nil until it asks

	writing  atomic.Bool // whether the transport has the response
	mu       sync.Mutex  // of what follows
	started  bool        // whether the header of the response was written
	answered bool        // whether the client was answered with the refusal
	done     bool        // whether the handler has returned
	conn     *trackedConn
}

// controller reaches what is below the response.
func (x *exchange) controller() *http.ResponseController { return http.NewResponseController(x.outer) }

// cut ends the request for its client when the lease has ended, without waiting
// for the handler. From here on the handler reaches neither body nor response.
func (x *exchange) cut(refusal *auth.Error) {
	controller := x.controller()
	// A write may wait for the client to read; over HTTP/1.1 for the client to send
	// as well, since net/http reads what is left of the body first. If the writer has
	// no deadlines, refuse does the rest when the handler has returned.
	if x.writing.Load() && errors.Join(controller.SetReadDeadline(past), controller.SetWriteDeadline(past)) != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.conn != nil {
		_ = x.conn.Close()
		return
	}
	if x.body.ReadCloser != nil {
		if x.body.reading.Load() && controller.SetReadDeadline(past) != nil {
			return
		}
		x.body.mu.Lock()
		defer x.body.mu.Unlock()
	}
	if x.started {
		x.abort()
		return
	}
	x.answer(refusal)
}

// answer answers for the handler, which may not be done for long.
func (x *exchange) answer(refusal *auth.Error) {
	x.answered = true
	refuseAtOnce(x.outer, x.request, x.refusals, refusal)
	if !x.done {
		time.AfterFunc(grace, func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			if !x.done {
				x.abort()
			}
		})
	}
}

// abort ends what net/http would only end once the handler has returned.
func (x *exchange) abort() {
	if x.request.ProtoMajor != 1 {
		_ = x.controller().SetWriteDeadline(past) // sends RST_STREAM
		return
	}
	if conn, _, err := x.controller().Hijack(); err == nil {
		_ = conn.Close()
	}
}

// returned notes that the handler has returned, or has panicked and left a
// connection behind that nothing would bind to the lease any more.
func (x *exchange) returned() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done = true
	if x.conn != nil {
		_ = x.conn.Close()
	}
}

// complete gives the response what the handler has left in its header, and waits
// for a connection that the handler took over. A response of which the handler has
// written nothing begins here, so that it is asked again as before a write.
func (x *exchange) complete() {
	x.mu.Lock()
	if !x.started && x.conn == nil {
		_ = x.lease.Check()
	}
	if x.lease.Err() == nil {
		if x.started {
			x.copyTrailers()
		} else {
			x.copyHeader()
		}
	}
	conn := x.conn
	x.mu.Unlock()
	if conn != nil {
		<-conn.closed
	}
}

// refuse is what is left to do when the handler of a request has returned whose
// lease had ended.
func (x *exchange) refuse(refusal *auth.Error) {
	switch {
	case x.answered || x.conn != nil:
	case x.started:
		panic(http.ErrAbortHandler) // so that the client does not take it for the whole response
	default:
		refuseRequest(x.outer, x.request, x.refusals, refusal)
	}
}

// copyHeader makes the response's header what the handler has made of its own.
func (x *exchange) copyHeader() {
	if x.header == nil {
		return
	}
	to := x.outer.Header()
	clear(to)
	for name, values := range x.header {
		to[name] = values
	}
}

// copyTrailers copies what net/http sends after the response.
func (x *exchange) copyTrailers() {
	to := x.outer.Header()
	for _, names := range x.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if values, set := x.header[name]; set {
				to[name] = values
			}
		}
	}
	for name, values := range x.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			to[name] = values
		}
	}
}
