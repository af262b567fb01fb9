package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ostiary/ostiary/server/settings"
)

// getLive asks for /livez by the scheme, over HTTP/1.1 or HTTP/2. A certificate of the
// server's own is accepted.
func (r *running) getLive(t *testing.T, scheme string, http2 bool) error {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	protocols.SetUnencryptedHTTP2(http2)
	client := &http.Transport{Protocols: protocols, DisableKeepAlives: true, TLSClientConfig: anyCertificate()}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+r.HTTPAddr().String()+"/livez", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		return fmt.Errorf("%d: %s", res.StatusCode, body)
	}
	return nil
}

// checkNative asks for the health on the native port.
func (r *running) checkNative(t *testing.T, creds credentials.TransportCredentials) error {
	t.Helper()
	conn := r.grpcConn(t, grpc.WithTransportCredentials(creds))
	_, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	_ = conn.Close() // so that it does not try again
	return err
}

func anyCertificate() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
}

func TestWhoSpeaksTLSToPlaintextOrTheReverseIsLogged(t *testing.T) {
	t.Parallel()
	const toPlaintext, toTLS = "a caller spoke TLS to a port that serves plaintext", "a caller spoke no TLS to a port that serves TLS"
	for name, test := range map[string]struct {
		tls  bool // whether the ports serve it
		call func(t *testing.T, r *running) error
		want string // "" for nothing
		port string
		once bool
	}{
		"https to an HTTP port without TLS": {call: func(t *testing.T, r *running) error { t.Helper(); return r.getLive(t, "https", false) }, want: toPlaintext, port: "http_addr", once: true},
		"gRPC with TLS to a native port without": {
			call: func(t *testing.T, r *running) error {
				t.Helper()
				return r.checkNative(t, credentials.NewTLS(anyCertificate()))
			}, want: toPlaintext, port: "grpc_addr",
		},
		"HTTP/1.1 in plaintext to an HTTP port with TLS": {tls: true, call: func(t *testing.T, r *running) error { t.Helper(); return r.getLive(t, "http", false) }, want: toTLS, port: "http_addr", once: true},
		"HTTP/2 in plaintext to an HTTP port with TLS":   {tls: true, call: func(t *testing.T, r *running) error { t.Helper(); return r.getLive(t, "http", true) }, want: toTLS, port: "http_addr", once: true},
		"gRPC in plaintext to a native port with TLS": {
			tls: true, want: toTLS, port: "grpc_addr",
			call: func(t *testing.T, r *running) error {
				t.Helper()
				return r.checkNative(t, insecure.NewCredentials())
			},
		},
		"http to an HTTP port without TLS": {call: func(t *testing.T, r *running) error { t.Helper(); return r.getLive(t, "http", false) }},
		"HTTP/2 to an HTTP port without":   {call: func(t *testing.T, r *running) error { t.Helper(); return r.getLive(t, "http", true) }},
		"gRPC to a native port without": {call: func(t *testing.T, r *running) error {
			t.Helper()
			return r.checkNative(t, insecure.NewCredentials())
		}},
		"https to an HTTP port with TLS": {tls: true, call: func(t *testing.T, r *running) error { t.Helper(); return r.getLive(t, "https", true) }},
		"gRPC with TLS to a native port with TLS": {tls: true, call: func(t *testing.T, r *running) error {
			t.Helper()
			return r.checkNative(t, credentials.NewTLS(anyCertificate()))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, key, _ := selfSigned(t)
			r := start(t, func(c *settings.Config) {
				if test.tls {
					c.TLSCert, c.TLSKey = cert, key
				}
			})
			if err := test.call(t, r); (err == nil) != (test.want == "") {
				t.Errorf("the caller gets %v", err)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			log := r.log.String()
			if test.want == "" {
				if strings.Contains(log, "a caller spoke") {
					t.Errorf("a caller who speaks as he should is logged: %s", log)
				}
				return
			}
			if !contains(r.log, "level=WARN", test.want, "peer=127.0.0.1:", "port="+test.port, "addr=127.0.0.1:", "remedy=") {
				t.Errorf("the log does not say so: %s", log)
			}
			if n := strings.Count(log, test.want); test.once && n != 1 {
				t.Errorf("%d lines for one connection: %s", n, log)
			}
			if strings.Contains(log, "TLS handshake") {
				t.Errorf("the log says it twice: %s", log)
			}
		})
	}
}

// A stranger who does nothing else cannot fill the log, nor keep others waiting by saying nothing.
func TestFewLinesAreLoggedOfManyWhoSpeakTLSToPlaintext(t *testing.T) {
	t.Parallel()
	r := start(t)
	dial := func() net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.GRPCAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	silent := dial()
	defer silent.Close()
	for range 50 {
		conn := dial()
		if _, err := conn.Write([]byte{0x16}); err != nil { // the first byte alone
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and what else there is of a hello")); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until the server hangs up
		_ = conn.Close()
	}
	if err := r.checkNative(t, insecure.NewCredentials()); err != nil {
		t.Errorf("another caller: %v", err)
	}
	r.strangers.Flush()
	log := r.log.String()
	if n := strings.Count(log, "a caller spoke TLS to a port"); n < 10 || n > 20 { // ten in each ten seconds
		t.Errorf("%d lines of 50 connections; want ten, or twenty if they took longer than ten seconds", n)
	}
	if !strings.Contains(log, "omitted.tls_to_plaintext=") {
		t.Errorf("the log does not count the others: %s", log)
	}
}
