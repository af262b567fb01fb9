package schemas

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A log is written and read by several.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// A followed Set asks often.
type followed struct {
	*Set

	changed chan struct{}
	log     log
}

func follow(t *testing.T, backends ...Backend) *followed {
	t.Helper()
	f := &followed{changed: make(chan struct{}, 1000)}
	f.Set = NewSet(Options{
		Now: time.Now, Log: slog.New(slog.NewTextHandler(&f.log, nil)), Changed: func() { f.changed <- struct{}{} },
		pauses: pauses{again: 20 * time.Millisecond, min: 10 * time.Millisecond, max: 20 * time.Millisecond},
	})
	f.Replace(backends)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return f
}

// until waits until the first backend is as it is wanted.
func (f *followed) until(t *testing.T, about string, wanted func(State) bool) State {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		if state := f.States()[0]; wanted(state) {
			return state
		}
		select {
		case <-f.changed:
		case <-late:
			t.Fatalf("%s: it stays at %+v", about, f.States()[0])
		}
	}
}

// A front is an address at which there are servers one after the other, and nobody between them.
type front struct {
	net.Listener

	mu     sync.Mutex
	server *behind // nil for nobody
}

// behind is where the server of a front listens.
type behind struct {
	net.Listener

	connections chan net.Conn
	closed      chan struct{}
	closing     sync.Once
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{Listener: listen(t, "127.0.0.1:0")}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			connection, err := f.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			server := f.server
			f.mu.Unlock()
			if server == nil {
				_ = connection.Close()
				continue
			}
			select {
			case server.connections <- connection:
			case <-server.closed:
				_ = connection.Close()
			}
		}
	})
	t.Cleanup(func() {
		_ = f.Close()
		accepting.Wait()
	})
	return f
}

func (b *behind) Accept() (net.Conn, error) {
	select {
	case connection := <-b.connections:
		return connection, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

func (b *behind) Close() error {
	b.closing.Do(func() { close(b.closed) })
	return nil
}

// serve starts a server, and returns what stops it.
func (f *front) serve(t *testing.T, register func(*grpc.Server)) (stop func()) {
	t.Helper()
	at := &behind{Listener: f.Listener, connections: make(chan net.Conn), closed: make(chan struct{})}
	_, stopServer := serveAt(t, at, register)
	f.mu.Lock()
	f.server = at
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		f.server = nil
		f.mu.Unlock()
		stopServer()
	}
}

// TestAServerIsAskedAgain after it was away, and after it was started anew with another schema.
func TestAServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	f := follow(t, Backend{Name: "notes", Reflection: "http://" + front.Addr().String()})
	away := f.until(t, "a server that is away", func(s State) bool { return s.LastError != "" })
	if away.Schema != nil || away.FailingSince.IsZero() || !away.ReadAt.IsZero() {
		t.Errorf("%+v; want no schema", away)
	}

	stop := front.serve(t, whole)
	there := f.until(t, "a server that has come", func(s State) bool { return s.Schema != nil })
	if there.LastError != "" || !there.FailingSince.IsZero() || there.ReadAt.IsZero() {
		t.Errorf("%+v; want no error", there)
	}

	stop()
	gone := f.until(t, "a server that has gone", func(s State) bool { return s.LastError != "" })
	if gone.Schema != there.Schema || gone.ReadAt.Before(there.ReadAt) {
		t.Errorf("%+v; want the schema from before", gone)
	}

	front.serve(t, func(server *grpc.Server) {
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		reflection.Register(server)
	})
	anew := f.until(t, "a server that has come with another schema", func(s State) bool { return s.Schema.Digest != there.Schema.Digest })
	if len(anew.Schema.Services) != 1 || anew.LastError != "" {
		t.Errorf("%q, %s; want health alone", anew.Schema.Services, anew.LastError)
	}
	if n := f.log.count("a backend has sent its schema"); n != 2 {
		t.Errorf("the log says %d times that the schema has come; want it twice", n)
	}
	if f.log.count("a backend does not send its schema") == 0 {
		t.Error("the log does not say that the server is away")
	}
}

// TestOneBackendHoldsUpNoOther, neither one that never answers nor one whose schema is broken.
func TestOneBackendHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	silent := listen(t, "127.0.0.1:0")
	defer func() { _ = silent.Close() }()
	good, _ := serve(t, whole)
	f := follow(t, Backend{Name: "good", Reflection: good}, Backend{Name: "silent", Reflection: "http://" + silent.Addr().String()})
	f.until(t, "the good one", func(s State) bool { return s.Schema != nil })
	if silent := f.States()[1]; silent.Schema != nil {
		t.Errorf("%+v; want nothing of the silent one", silent)
	}
}

// TestAListIsReplaced while its servers are asked, and what is known of those that stay is kept.
func TestAListIsReplaced(t *testing.T) {
	t.Parallel()
	good, _ := serve(t, whole)
	f := follow(t, Backend{Name: "good", Reflection: good})
	known := f.until(t, "the good one", func(s State) bool { return s.Schema != nil })
	f.Replace([]Backend{{Name: "good", Reflection: good, URL: "https://good.example"}, {Name: "more", Reflection: good}})
	if now := f.States()[0]; now.Schema != known.Schema || now.URL != "https://good.example" {
		t.Errorf("%+v; want the schema from before, and the new URL", now)
	}
	f.Replace([]Backend{{Name: "other", Reflection: good}})
	f.until(t, "the other one", func(s State) bool { return s.Name == "other" && s.Schema != nil })
	elsewhere, err := url.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	f.Replace([]Backend{{Name: "other", Reflection: "http://localhost:" + elsewhere.Port()}})
	if now := f.States()[0]; now.Schema != nil {
		t.Errorf("%+v; want no schema of another server", now)
	}
}
