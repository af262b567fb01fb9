// Package drain lets a server leave from behind a load balancer without losing a call: it
// says that it leaves, goes on serving until the load balancer has seen that, and then stops.
//
//	leaving := drain.New()
//	listener := leaving.Listener(tcp)
//	leaving.Join(server)
//	go server.Serve(listener)
//	...
//	leaving.Begin() // readiness asks leaving.HasBegun
//	<-time.After(5 * time.Second)
//	leaving.Finish(ctx)
//	server.Shutdown(ctx)
package drain

import (
	"net"
	"net/http"
	"sync"
)

// A Drain is the state of a server that leaves once. It is safe for concurrent use.
type Drain struct {
	begun chan struct{}
	begin func()

	listeners []*listener

	mu    sync.Mutex
	fresh map[net.Conn]struct{} // see connState
}

// New returns a Drain that has not begun.
func New() *Drain {
	d := &Drain{begun: make(chan struct{}), fresh: make(map[net.Conn]struct{})}
	d.begin = sync.OnceFunc(func() { close(d.begun) })
	return d
}

// Begin begins the drain. It may be called again, to no effect.
func (d *Drain) Begin() { d.begin() }

// Begun returns a channel that is closed once the drain has begun.
func (d *Drain) Begun() <-chan struct{} { return d.begun }

// HasBegun reports whether the drain has begun.
func (d *Drain) HasBegun() bool {
	select {
	case <-d.begun:
		return true
	default:
		return false
	}
}

// Join has servers close their connections as the drain wants it. It must come before they
// serve, and replaces their ConnState. A nil server is left out.
func (d *Drain) Join(servers ...*http.Server) {
	for _, server := range servers {
		if server != nil {
			server.Handler, server.ConnState = d.middleware(server.Handler), d.connState
		}
	}
}

// middleware closes each HTTP/1.1 connection after the answer to a request that came
// during the drain (RFC 9112, section 9.6). The peer then knows that the connection is not
// to be used again. If it were closed later while it is idle, a proxy might just be sending
// a request on it, and most of them may not be sent again.
//
// HTTP/2 has no such race at the end of the drain, since GOAWAY says which requests were
// not processed. To send it earlier would have clients connect again for each call.
func (d *Drain) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && d.HasBegun() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
