package jwks

import (
	"context"
	"crypto/elliptic"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// An issuer serves a key set and counts the requests. Its answer can be changed
// while it runs.
type issuer struct {
	url      string
	client   *http.Client // reaches the issuer
	requests atomic.Int64
	answer   atomic.Pointer[http.HandlerFunc]
	refusing atomic.Bool // connections, in a bubble
	keys     map[string]jwk
}

func (is *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	is.requests.Add(1)
	(*is.answer.Load())(w, r)
}

// answerWith makes the issuer answer by the handler from now on.
func (is *issuer) answerWith(handler http.HandlerFunc) { is.answer.Store(&handler) }

// publish makes the issuer answer with the named keys, which are made at their
// first mention.
func (is *issuer) publish(t testing.TB, names ...string) { is.answerWith(is.setOf(t, names...)) }

// setOf answers with the named keys.
func (is *issuer) setOf(t testing.TB, names ...string) http.HandlerFunc {
	t.Helper()
	keys := make([]jwk, len(names))
	for i, name := range names {
		if is.keys[name] == nil {
			is.keys[name] = publicJWK(t, name, ecKey(t, elliptic.P256()).Public())
		}
		keys[i] = is.keys[name]
	}
	return body(string(keySet(t, keys...)))
}

func body(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) }
}

// hang answers nothing until the caller gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	is := &issuer{keys: map[string]jwk{}}
	is.publish(t, "first")
	return is
}

// newServer starts an issuer on loopback that publishes the key "first".
func newServer(t testing.TB) *issuer {
	t.Helper()
	is := newIssuer(t)
	server := httptest.NewServer(is)
	t.Cleanup(server.Close)
	is.url = server.URL + "/.well-known/jwks.json"
	return is
}

// newBubble starts an issuer that publishes the key "first" on a network within
// a synctest bubble, where time is exact: a connection is a net.Pipe.
func newBubble(t *testing.T) *issuer {
	t.Helper()
	is := newIssuer(t)
	is.url = "http://localhost/.well-known/jwks.json"
	listener := &pipeListener{connections: make(chan net.Conn), closed: make(chan struct{})}
	is.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if is.refusing.Load() {
				return nil, syscall.ECONNREFUSED
			}
			return listener.dial(ctx)
		},
	}}
	server := &http.Server{Handler: is}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return is
}

// newRemote starts a Remote that ends with the test.
func newRemote(t testing.TB, config RemoteConfig) *Remote {
	t.Helper()
	remote, err := NewRemote(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = remote.Close() })
	return remote
}

// remote starts a Remote with the keys of the issuer.
func (is *issuer) remote(t *testing.T) *Remote {
	t.Helper()
	return newRemote(t, RemoteConfig{URL: is.url, Client: is.client})
}

// pass lets time go by in a bubble, and everything that was due happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// lookup returns only the error of a lookup.
func lookup(t testing.TB, set Set, kid string) error {
	t.Helper()
	_, err := findOne(t, set, Hint{KeyID: kid, Algorithm: "ES256"})
	return err
}

// findOne returns the one key that the set has for the hint.
func findOne(t testing.TB, set Set, hint Hint) (*Key, error) {
	t.Helper()
	keys, err := set.Lookup(t.Context(), hint)
	if err != nil {
		if keys != nil {
			t.Errorf("%v beside the keys %v", err, keys)
		}
		return nil, err
	}
	if len(keys) != 1 {
		t.Errorf("%d keys, want 1", len(keys))
	}
	return keys[0], nil
}

type pipeListener struct {
	connections chan net.Conn
	closing     sync.Once
	closed      chan struct{}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.connections <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
