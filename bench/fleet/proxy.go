package main

import (
	"context"
	"io"
	"net"
	"sync"
)

// A proxy passes connections on, and can stall, as a network that is partitioned: then
// nothing arrives any more, and no connection is closed. What wants to connect meanwhile
// hangs, and has failed when it goes on.
type proxy struct {
	listener net.Listener

	mu       sync.Mutex
	stalled  chan struct{} // closed when it goes on; nil while it passes
	network  string
	target   string
	accepted map[net.Conn]struct{}
}

func newProxy(ctx context.Context) (*proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, accepted: make(map[net.Conn]struct{})}
	go p.serve() //nolint:contextcheck // until it is closed
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// to has further connections go to this address. An empty one refuses them.
func (p *proxy) to(network, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.target = network, address
}

// stall stops everything until the returned function is called.
func (p *proxy) stall() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = make(chan struct{})
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		close(p.stalled)
		p.stalled = nil
	}
}

// wait waits while the proxy is stalled, and reports whether it was.
func (p *proxy) wait() bool {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
	return stalled != nil
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.pass(client)
	}
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	network, target := p.network, p.target
	p.mu.Unlock()
	if target == "" || p.wait() {
		return
	}
	server, err := new(net.Dialer).DialContext(context.Background(), network, target)
	if err != nil {
		return
	}
	defer server.Close()
	p.keep(client, server)
	defer p.forget(client, server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
}

func (p *proxy) copy(to, from net.Conn) {
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if n > 0 {
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				err = writeErr
			}
		}
		if err != nil { // either side has ended
			_, _ = to.Close(), from.Close()
			return
		}
	}
}

func (p *proxy) keep(connections ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range connections {
		p.accepted[c] = struct{}{}
	}
}

func (p *proxy) forget(connections ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range connections {
		delete(p.accepted, c)
	}
}

// Close ends the proxy and its connections.
func (p *proxy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.accepted {
		_ = c.Close()
	}
	return p.listener.Close()
}

var _ io.Closer = (*proxy)(nil)
