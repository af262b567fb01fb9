package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

func TestMain(m *testing.M) {
	if os.Getenv(killedIn) != "" {
		serveUntilKilled()
	}
	if os.Getenv(killedDatabase) != "" {
		sendUntilKilled()
	}
	if os.Getenv(attackWith) != "" {
		attackUntilKilled()
	}
	if os.Getenv(attackedIssuer) != "" {
		serveAttacked()
	}
	goleak.VerifyTestMain(m)
}

// running is a server that serves until the test ends.
type running struct {
	*Server

	url    string
	issuer hourIssuer
	log    *logBuffer
	stop   func() error // ends it and returns what Run returned
}

// hourIssuer issues sessions that last for an hour where the test says nothing else.
// On a busy machine a minute is over before a parallel subtest has its turn.
type hourIssuer struct{ *authtest.Issuer }

func (i hourIssuer) Session(subject string, edits ...authtest.Edit) string {
	return i.Issuer.Session(subject, append([]authtest.Edit{authtest.ExpiresIn(time.Hour)}, edits...)...)
}

func (i hourIssuer) OAuth(subject string, edits ...authtest.Edit) string {
	return i.Issuer.OAuth(subject, append([]authtest.Edit{authtest.ExpiresIn(time.Hour)}, edits...)...)
}

// firstKey is the first key of the issuer of each server: to make one takes long under the
// race detector.
var firstKey = sync.OnceValue(func() *authtest.Key { return authtest.NewKey("RS256") })

// start serves on free ports with an issuer of its own, on the same clock, after
// the edits.
func start(t testing.TB, edits ...func(*settings.Config)) *running {
	t.Helper()
	return startTuned(t, tuning{heartbeat: heartbeatInterval}, edits...)
}

// startTuned is start with what is no setting.
func startTuned(t testing.TB, tuning tuning, edits ...func(*settings.Config)) *running {
	t.Helper()
	var c settings.Config
	issuer := authtest.Start(t, authtest.WithNow(func() time.Time { return c.WithDefaults().Now() }))
	issuer.Publish(firstKey())
	log := new(logBuffer)
	c = settings.Config{
		HTTPAddr:   "127.0.0.1:0",
		GRPCAddr:   "127.0.0.1:0",
		AdminAddr:  "127.0.0.1:0",
		DataDir:    t.TempDir(),
		DrainDelay: -1,
		Issuers:    []settings.Issuer{{URL: issuer.URL(), AllowAnyAudience: true}},
		Logger:     slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, edit := range edits {
		edit(&c)
	}
	srv, err := newServer(t.Context(), c, tuning)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	r := &running{Server: srv, url: "http://" + srv.HTTPAddr().String(), issuer: hourIssuer{issuer}, log: log}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// database changes the server's database behind its back, so that it fails.
func (r *running) database(t testing.TB, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.config.DataDir, "ostiary.db")+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// httpClient speaks HTTP/1.1, or HTTP/2 without TLS.
func httpClient(t testing.TB, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{
		Protocols:              protocols,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// send sends a request to the HTTP port. It returns the body decompressed.
func (r *running) send(t *testing.T, method, path string, header map[string]string, body string) (status int, answer http.Header, answered string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := httpClient(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var content io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		if content, err = gzip.NewReader(content); err != nil {
			t.Fatal(err)
		}
	}
	read, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(read)
}

// bearer sends a token with each call of a connect client.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		b.set(req.Header())
		return next(ctx, req)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		b.set(conn.RequestHeader())
		return conn
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (b bearer) set(header http.Header) {
	if b != "" {
		header.Set("Authorization", "Bearer "+string(b))
	}
}

// identityClient calls over HTTP/2 without TLS.
func (r *running) identityClient(t *testing.T, token string, options ...connect.ClientOption) identityv1connect.IdentityServiceClient {
	t.Helper()
	options = append(options, connect.WithInterceptors(bearer(token)))
	return identityv1connect.NewIdentityServiceClient(httpClient(t, true), r.url, options...)
}

// grpcConn is a connection to the native listener.
func (r *running) grpcConn(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient(r.GRPCAddr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (r *running) nativeClient(t *testing.T) identityv1.IdentityServiceClient {
	t.Helper()
	return identityv1.NewIdentityServiceClient(r.grpcConn(t))
}

// eventually asks until the answer is yes, and fails the test when it stays no.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// A clock is one that stands still until it is moved.
type clock struct{ seconds atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.seconds.Store(time.Now().Unix())
	return c
}

func (c *clock) now() time.Time { return time.Unix(c.seconds.Load(), 0) }

func (c *clock) move(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

func (c *clock) set(config *settings.Config) { config.Now = c.now }
