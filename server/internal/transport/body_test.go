package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// dial opens a connection and sends text on it.
func dial(t *testing.T, server *httptest.Server, text string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// withDeadline serves the handler at every path; what is below /stream/ is a
// stream. The server also speaks HTTP/2.
func withDeadline(t *testing.T, limit, silence time.Duration, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	isStream := func(path string) bool { return strings.HasPrefix(path, "/stream/") }
	server := httptest.NewUnstartedServer(bodyDeadline(limit, silence, isStream)(handler))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

const unfinished = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nx"

func TestABodyThatNeverArrivesHoldsNoConnection(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"refused unread": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"read": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err == nil {
				t.Error("a body without its end was read whole")
			}
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, withDeadline(t, time.Minute, 50*time.Millisecond, handler), unfinished)
			all, err := io.ReadAll(conn) // until the server closes
			if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 401 ") {
				t.Errorf("%q, %v; want 401 and the end", all, err)
			}
		})
	}
}

// What follows on the connection of an unread body is the rest of it.
func TestTheRestOfABodyIsNotReadAsARequest(t *testing.T) {
	t.Parallel()
	server := withDeadline(t, time.Minute, 50*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/smuggled" {
			t.Error("the rest of a body became a request")
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	conn := dial(t, server, unfinished)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	_, _ = io.WriteString(conn, "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n")
	if rest, _ := io.ReadAll(conn); len(rest) > 0 {
		t.Errorf("the connection went on: %q", rest)
	}
}

func TestABodyThatKeepsComingIsRead(t *testing.T) {
	t.Parallel()
	const parts = 8
	server := withDeadline(t, time.Minute, time.Second, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(body), err)
	})
	reader, writer := io.Pipe()
	go func() {
		tick := time.NewTicker(250 * time.Millisecond) // twice the time-out in all
		defer tick.Stop()
		for range parts {
			<-tick.C
			_, _ = io.WriteString(writer, "part")
		}
		_ = writer.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, reader)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if want := fmt.Sprint(4*parts, " <nil>"); string(answer) != want || res.Close {
		t.Errorf("%q, close %v; want %q, and the connection kept", answer, res.Close, want)
	}
}

// drip sends a body that never ends, a byte every few milliseconds, and returns
// the answer.
func drip(t *testing.T, server *httptest.Server, path string, http2 bool) (status int, body string) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	reader, writer := io.Pipe()
	t.Cleanup(func() { _ = reader.Close() })
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(writer, "x"); err != nil {
				return // the answer is here
			}
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(answer)
}

func TestABodyMustArriveWholeWithinItsLimit(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := withDeadline(t, 200*time.Millisecond, time.Minute, func(w http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				if !errors.Is(err, os.ErrDeadlineExceeded) || !requestWasLate(r.Context()) {
					t.Errorf("reading the body: %v; want that a deadline was exceeded", err)
				}
				w.WriteHeader(http.StatusGatewayTimeout)
				_, _ = fmt.Fprint(w, err)
			})
			if status, body := drip(t, server, "/unary", http2); status != http.StatusGatewayTimeout || body != "the request did not arrive within 200ms" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

func TestTheBodyOfAStreamHasNoLimit(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 30 * time.Millisecond
			server := withDeadline(t, limit, time.Minute, func(_ http.ResponseWriter, r *http.Request) {
				began := time.Now()
				for buf := make([]byte, 1); time.Since(began) < 5*limit; {
					if _, err := r.Body.Read(buf); err != nil {
						t.Errorf("reading the body after %s: %v", time.Since(began), err)
						return
					}
				}
			})
			if status, _ := drip(t, server, "/stream/x", http2); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
}

// A handler may take longer for what arrived in time.
func TestTheLimitEndsWithTheBody(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	server := withDeadline(t, limit, limit, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			t.Errorf("the call was cancelled: %v", context.Cause(r.Context()))
		case <-time.After(3 * limit):
		}
		w.WriteHeader(http.StatusTeapot)
	})
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(!http2)
		protocols.SetUnencryptedHTTP2(http2)
		transport := &http.Transport{Protocols: protocols}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("whole"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTeapot || res.Close {
			t.Errorf("%s: %d, close %v", name, res.StatusCode, res.Close)
		}
		transport.CloseIdleConnections()
	}
}
