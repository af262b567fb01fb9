package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/server/internal/transport"
)

const whoAmIProcedure = identityv1connect.IdentityServiceWhoAmIProcedure

// gzipped is what n zero bytes compress to, about a thousandth.
func gzipped(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, n)) // into a buffer, which cannot fail
	_ = w.Close()
	return b.Bytes()
}

func TestAMessageOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	bomb := gzipped(8 * transport.MaxMessageBytes)
	tests := map[string]struct {
		encoding string
		body     []byte
	}{
		"a message of one byte more":                   {"", make([]byte, transport.MaxMessageBytes+1)},
		"a small message that decompresses to 32 MiB":  {"gzip", bomb},
		"a message that decompresses to one byte more": {"gzip", gzipped(transport.MaxMessageBytes + 1)},
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

// What a server announces is what well-behaved clients keep to.
func TestBothListenersAnnounceTheirLimits(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, addr := range map[string]net.Addr{"the HTTP port": r.HTTPAddr(), "the native listener": r.GRPCAddr()} {
		settings := announced(t, addr)
		if got, _ := settings.Value(http2.SettingMaxConcurrentStreams); got != transport.MaxStreams {
			t.Errorf("%s allows %d streams; want %d", name, got, transport.MaxStreams)
		}
		// net/http allows for some overhead of each header.
		if got, ok := settings.Value(http2.SettingMaxHeaderListSize); !ok || got > transport.MaxHeaderBytes+1024 {
			t.Errorf("%s allows %d bytes of headers; want %d", name, got, transport.MaxHeaderBytes)
		}
	}
}

// announced returns the first settings of a server (RFC 9113, section 3.4).
func announced(t *testing.T, addr net.Addr) *http2.SettingsFrame {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v; want settings", frame)
	}
	return settings
}

// messageOf returns a message of exactly so many bytes, which holds nothing that
// is known.
func messageOf(size int) []byte {
	const overhead = 6 // the tag of a field, and a length of four bytes
	message := protowire.AppendTag(nil, 1000, protowire.BytesType)
	return protowire.AppendBytes(message, make([]byte, size-overhead))
}

func TestMessagesUpToTheLimitAreRead(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.issuer.Session("user_ada")
	for protocol, w := range r.wires() {
		for size, code := range map[int]connect.Code{transport.MaxMessageBytes: 0, transport.MaxMessageBytes + 1: connect.CodeResourceExhausted} {
			message := messageOf(size)
			if len(message) != size {
				t.Fatalf("a message of %d bytes; want %d", len(message), size)
			}
			if w.contentType != "application/proto" {
				message = enveloped(message)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+whoAmIProcedure, bytes.NewReader(message))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", w.contentType)
			req.Header.Set("Te", "trailers")
			bearer(ada).set(req.Header)
			res, err := httpClient(t, w.http2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			content, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			answer := fmt.Sprintf("Grpc-Status: %s%s %s", res.Header.Get("Grpc-Status"), res.Trailer.Get("Grpc-Status"), content)
			served := bytes.Contains(content, []byte("user_ada"))
			if served != (code == 0) || code != 0 && !ended(answer, code) {
				t.Errorf("%s, %d bytes: %.200q", protocol, size, answer)
			}
		}
	}
}
