package drain

import (
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func dial(t *testing.T, addr net.Addr) (net.Conn, error) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(t.Context(), "tcp", addr.String())
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func TestConnectionsThatWaitAreAcceptedBeforeThePortIsClosed(t *testing.T) {
	t.Parallel()
	const waiting = 20
	d := New()
	l := d.Listener(listen(t))
	for range waiting {
		if _, err := dial(t, l.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	accepted := make(chan int, 1)
	go func() {
		n := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept returned %v; want net.ErrClosed", err)
				}
				accepted <- n
				return
			}
			n++
			_ = conn.Close()
		}
	}()
	d.Finish(t.Context())
	if _, err := dial(t, l.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connection after that: %v; want it to be refused", err)
	}
	select {
	case n := <-accepted:
		t.Errorf("Accept has ended after %d, which a server takes for a fault, before Close", n)
	default:
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := <-accepted; n != waiting {
		t.Errorf("%d connections were accepted; want %d", n, waiting)
	}
}

func TestAConnectionWithoutARequestIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]func(net.Conn) error{
		"sends one": func(c net.Conn) error {
			_, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
			return err
		},
		"leaves": net.Conn.Close,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := New()
			l := d.Listener(listen(t))
			known := make(chan struct{})
			server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.NotFoundHandler()}
			d.Join(server, nil)
			server.ConnState = func(c net.Conn, s http.ConnState) {
				d.connState(c, s)
				if s == http.StateNew {
					close(known)
				}
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			d.Begin()
			conn, err := dial(t, l.Addr())
			if err != nil {
				t.Fatal(err)
			}
			<-known
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				d.Finish(t.Context())
			}()
			select {
			case <-finished:
				t.Error("the connection was not waited for")
			case <-time.After(4 * settled):
			}
			if err := what(conn); err != nil {
				t.Fatal(err)
			}
			<-finished
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Serve returned %v; want http.ErrServerClosed", err)
			}
		})
	}
}

func TestAListenerOfAnotherKindStaysAsItIs(t *testing.T) {
	t.Parallel()
	d := New()
	if got := d.Listener(nil); got != nil {
		t.Errorf("%v; want nil", got)
	}
}
