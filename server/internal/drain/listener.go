package drain

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// settled is how long no connection may have been without a request for all to be done with.
const settled = 100 * time.Millisecond

// Listener returns one that accepts what the other does, and whose port Finish closes. Where
// the other is none of TCP, it is returned as it is. It is not safe for concurrent use.
func (d *Drain) Listener(other net.Listener) net.Listener {
	tcp, ok := other.(*net.TCPListener)
	if !ok {
		return other
	}
	l := &listener{TCPListener: tcp, emptied: make(chan struct{}), closed: make(chan struct{})}
	l.closeOnce = sync.OnceValue(func() error {
		close(l.closed)
		return tcp.Close()
	})
	d.listeners = append(d.listeners, l)
	return l
}

// Finish closes the ports of the listeners, and returns once each connection that was made
// before has been accepted and has sent its request, or when ctx ends. The listeners must be
// served. To close them without it resets connections on which a request may have been sent.
func (d *Drain) Finish(ctx context.Context) {
	var closing sync.WaitGroup
	for _, l := range d.listeners {
		closing.Go(func() { l.finish(ctx) })
	}
	closing.Wait()
	d.settle(ctx)
}

type listener struct {
	*net.TCPListener

	emptied   chan struct{} // closed when finish has closed the port
	closed    chan struct{}
	closeOnce func() error
}

// finish has Accept close the port as soon as no connection waits to be accepted, and then
// wait for Close.
func (l *listener) finish(ctx context.Context) {
	_ = l.SetDeadline(time.Now())
	select {
	case <-l.emptied:
	case <-l.closed:
	case <-ctx.Done():
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.TCPListener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) { // which only finish sets
			return conn, err
		}
		if connectionsWait(l.TCPListener) {
			_ = l.SetDeadline(time.Now().Add(settled)) // one that has passed returns none of them
			continue
		}
		_ = l.TCPListener.Close()
		close(l.emptied)
		<-l.closed
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	err := l.closeOnce()
	select {
	case <-l.emptied: // and so closed before
		return nil
	default:
		return err
	}
}

// connState records which connections have sent no request yet.
func (d *Drain) connState(conn net.Conn, state http.ConnState) {
	if !d.HasBegun() {
		return // what comes after the drain has begun is enough to know
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if state == http.StateNew {
		d.fresh[conn] = struct{}{}
	} else {
		delete(d.fresh, conn)
	}
}

// settle waits until every connection that was accepted during the drain has sent a request
// or was closed, or until ctx ends. Without it http.Server.Shutdown closes a connection
// whose first request it is just reading.
func (d *Drain) settle(ctx context.Context) {
	tick := time.NewTicker(settled / 10)
	defer tick.Stop()
	for quiet := 0; quiet < 10; quiet++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		d.mu.Lock()
		if len(d.fresh) > 0 {
			quiet = 0
		}
		d.mu.Unlock()
	}
}
