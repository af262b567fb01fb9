package jwks

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An issuer serves a key set and counts the requests. Its answer can be changed
// while it runs.
type issuer struct {
	url       string
	transport *http.Transport // reaches the issuer
	requests  atomic.Int64
	answer    atomic.Pointer[http.HandlerFunc]
	refusing  atomic.Bool // connections, in a bubble
	keys      map[string]jwk
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
	is.transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if is.refusing.Load() {
				return nil, syscall.ECONNREFUSED
			}
			return listener.dial(ctx)
		},
	}
	server := &http.Server{Handler: is}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return is
}

// newRemote starts a Remote that ends with the test.
func newRemote(t testing.TB, config RemoteConfig) *Remote {
	t.Helper()
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
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
	return newRemote(t, RemoteConfig{URL: is.url, Transport: is.transport})
}

// withRemote runs the test in a bubble, with an issuer and a Remote that has its keys.
func withRemote(t *testing.T, test func(t *testing.T, issuer *issuer, keys *Remote)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		synctest.Wait()
		test(t, issuer, keys)
	})
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

// mustFind is findOne for a key that must be there.
func mustFind(t testing.TB, set Set, hint Hint) *Key {
	t.Helper()
	key, err := findOne(t, set, hint)
	if err != nil {
		t.Fatal(err)
	}
	return key
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

// rsaKey is made once: it takes long to find.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A jwk is the JSON of one key, for tests to spoil.
type jwk map[string]any

// with returns a copy with a member set, or taken out where the value is nil.
func (j jwk) with(name string, value any) jwk {
	changed := jwk{}
	for n, v := range j {
		changed[n] = v
	}
	changed[name] = value
	if value == nil {
		delete(changed, name)
	}
	return changed
}

func publicJWK(t testing.TB, id string, public crypto.PublicKey) jwk {
	t.Helper()
	switch public := public.(type) {
	case *rsa.PublicKey:
		return jwk{"kty": "RSA", "kid": id, "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		size := len(point) / 2
		return jwk{"kty": "EC", "kid": id, "crv": public.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
	case ed25519.PublicKey:
		return jwk{"kty": "OKP", "kid": id, "crv": "Ed25519", "x": b64(public)}
	}
	t.Fatalf("no JWK for %T", public)
	return nil
}

func keySet(t testing.TB, keys ...jwk) []byte {
	t.Helper()
	if keys == nil {
		keys = []jwk{}
	}
	document, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func fromB64(t testing.TB, text any) []byte {
	t.Helper()
	octets, err := base64.RawURLEncoding.DecodeString(text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

const input = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ"

// sign makes a JWS signature with the standard library.
func sign(t testing.TB, private crypto.Signer, a algorithm) []byte {
	t.Helper()
	switch private := private.(type) {
	case *rsa.PrivateKey:
		if a.pss {
			return signPSS(t, private, a, rsa.PSSSaltLengthEqualsHash)
		}
		signature, err := rsa.SignPKCS1v15(rand.Reader, private, a.hash, digest(a.hash, []byte(input)))
		if err != nil {
			t.Fatal(err)
		}
		return signature
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest(a.hash, []byte(input)))
		if err != nil {
			t.Fatal(err)
		}
		return joinRS(private.Curve, r, s)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input))
	}
	t.Fatalf("cannot sign with %T", private)
	return nil
}

func signPSS(t testing.TB, private *rsa.PrivateKey, a algorithm, salt int) []byte {
	t.Helper()
	signature, err := rsa.SignPSS(rand.Reader, private, a.hash, digest(a.hash, []byte(input)), &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func joinRS(curve elliptic.Curve, r, s *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

func mustKey(t testing.TB, id string, public crypto.PublicKey, algorithm string) *Key {
	t.Helper()
	key, err := NewKey(id, public, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writeFile returns a file with the content.
func writeFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	overwrite(t, path, content)
	return path
}

func overwrite(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// slowly answers after a while, unless the caller gives up before.
func slowly(d time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

const never = time.Hour
