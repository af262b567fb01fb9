package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

func withDeadline(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(withBodyDeadline(handler, timeout))
	t.Cleanup(server.Close)
	return server
}

const unfinished = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nx"

func TestABodyThatNeverComesHoldsNothing(t *testing.T) {
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
			conn := dial(t, withDeadline(t, 50*time.Millisecond, handler), unfinished)
			all, err := io.ReadAll(conn) // until the server closes
			if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 401 ") {
				t.Errorf("%q, %v; want 401 and the end", all, err)
			}
		})
	}
}

// What follows on the connection of a body that was not read is its rest, and
// never another request.
func TestTheRestOfABodyIsNoRequest(t *testing.T) {
	t.Parallel()
	server := withDeadline(t, 50*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
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
	server := withDeadline(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
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
