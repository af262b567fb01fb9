package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"

	"github.com/ostiary/ostiary/server/internal/transport"
)

const whoAmIProcedure = identityv1connect.IdentityServiceWhoAmIProcedure

// gzipped is what n zero bytes compress to, about a thousandth.
func gzipped(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAMessageOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	bomb := gzipped(t, 8*transport.MaxMessageBytes)
	tests := map[string]struct {
		encoding string
		body     []byte
	}{
		"a message of one byte more":                   {"", make([]byte, transport.MaxMessageBytes+1)},
		"a small message that decompresses to 32 MiB":  {"gzip", bomb},
		"a message that decompresses to one byte more": {"gzip", gzipped(t, transport.MaxMessageBytes+1)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+whoAmIProcedure, bytes.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/proto")
			req.Header.Set("Content-Encoding", test.encoding)
			bearer(token).set(req.Header)
			res, err := httpClient(t, false).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if !strings.Contains(string(body), `"code":"resource_exhausted"`) {
				t.Errorf("%s %s; want resource_exhausted", res.Status, body)
			}
		})
	}
}

func TestAMessageOverTheLimitIsRefusedNatively(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+r.issuer.Session("user_ada"))
	message := wrapperspb.Bytes(make([]byte, 2*transport.MaxMessageBytes))
	for name, options := range map[string][]grpc.CallOption{
		"as it is":   nil,
		"compressed": {grpc.UseCompressor(grpcgzip.Name)},
	} {
		err := r.grpcConn(t).Invoke(ctx, whoAmIProcedure, message, &wrapperspb.BytesValue{}, options...)
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s: %v; want resource exhausted", name, err)
		}
	}
}

// A stranger's message is not even decompressed.
func TestABombWithoutATokenIsRefusedUnread(t *testing.T) {
	t.Parallel()
	r := start(t)
	client := connect.NewClient[wrapperspb.BytesValue, wrapperspb.BytesValue](httpClient(t, true), r.url+whoAmIProcedure, connect.WithSendGzip())
	_, err := client.CallUnary(t.Context(), connect.NewRequest(wrapperspb.Bytes(make([]byte, 2*transport.MaxMessageBytes))))
	if connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("%v; want unauthenticated", err)
	}
}

func TestHeadersOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	ask := func(size int, http2 bool) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+whoAmIProcedure, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Large", strings.Repeat("x", size))
		bearer(token).set(req.Header)
		res, err := httpClient(t, http2).Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return res.StatusCode, nil
	}
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		if code, err := ask(transport.MaxHeaderBytes/2, http2); code != http.StatusOK {
			t.Errorf("half the limit over %s: %d, %v; want 200", name, code, err)
		}
		if code, _ := ask(2*transport.MaxHeaderBytes, http2); code == http.StatusOK {
			t.Errorf("twice the limit over %s: 200; want a refusal", name)
		}
	}
	native := func(size int) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token, "x-large", strings.Repeat("x", size))
		return r.grpcConn(t).Invoke(ctx, whoAmIProcedure, &wrapperspb.BytesValue{}, &wrapperspb.BytesValue{})
	}
	if err := native(transport.MaxHeaderBytes / 2); status.Code(err) == codes.Internal || status.Code(err) == codes.Unauthenticated {
		t.Errorf("half the limit natively: %v", err)
	}
	if err := native(2 * transport.MaxHeaderBytes); err == nil {
		t.Error("twice the limit natively: no error; want a refusal")
	}
}

// A connection that begins a request and says no more must not stay.
func TestASilentConnectionIsClosedWhileOthersAreServed(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	silent := func(addr net.Addr, opening string) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, opening); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(3 * transport.ReadHeaderTimeout))
		return conn
	}
	conns := map[string]net.Conn{
		"HTTP/1.1 amid its headers":    silent(r.HTTPAddr(), "POST / HTTP/1.1\r\nHost: localhost\r\n"),
		"native gRPC before its first": silent(r.GRPCAddr(), "PRI * HTTP/2"),
	}
	for name, call := range r.protocols() {
		if _, err := call(t.Context(), t, token); err != nil {
			t.Errorf("meanwhile %s: %v", name, err)
		}
	}
	for name, conn := range conns {
		began := time.Now()
		_, err := io.Copy(io.Discard, bufio.NewReader(conn))
		if took := time.Since(began); took > 2*transport.ReadHeaderTimeout {
			t.Errorf("%s: still open after %s (%v)", name, took, err)
		}
	}
}

func TestStoppingCutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	r := start(t, func(c *Config) {
		c.ShutdownTimeout = 50 * time.Millisecond
		c.Routes = map[string]http.Handler{"/stuck": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		})}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/stuck", nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	client := httpClient(t, true)
	go func() {
		defer close(answered)
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-entered
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run returned %v; want nil", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s; want about 50ms", took)
	}
	<-answered
	if !contains(r.log, "level=WARN", "cutting off calls") {
		t.Error("the log does not say that calls were cut off")
	}
}

func TestACallUnderWayMayFinish(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *Config) {
		c.Routes = map[string]http.Handler{"/slow": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			w.WriteHeader(http.StatusTeapot)
		})}
	})
	type answer struct {
		code int
		err  error
	}
	answers := make(chan answer, 1)
	client := httpClient(t, false)
	go func() {
		res, err := client.Get(r.url + "/slow")
		if err != nil {
			answers <- answer{0, err}
			return
		}
		_ = res.Body.Close()
		answers <- answer{res.StatusCode, nil}
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	<-r.stopping
	close(release)
	if got := <-answers; got.code != http.StatusTeapot {
		t.Errorf("the call under way got %d, %v; want %d", got.code, got.err, http.StatusTeapot)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
