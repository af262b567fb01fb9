package connectauth_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// expiring is an Authenticator whose tokens expire in a moment.
type expiring struct{}

func (expiring) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	return &auth.Identity{Subject: "ada", ExpiresAt: time.Now().Add(20 * time.Millisecond)}, nil
}

// untilTheTokenExpires serves streams that last until the token expires, and counts how often
// something is flushed.
func untilTheTokenExpires(t *testing.T) (*server, *atomic.Int64) {
	t.Helper()
	at := guardtest.Procedures[auth.ClientStream]
	mux := http.NewServeMux()
	mux.Handle(at, connect.NewClientStreamHandlerSimple(at, func(_ context.Context, in *connect.ClientStream[text]) (*text, error) {
		for in.Receive() { // for as long as the client likes
		}
		return nil, in.Err()
	}, connectauth.WithGuard(&auth.Guard{Authenticator: expiring{}, Policy: guardtest.Everyone{}})))
	flushed := new(atomic.Int64)
	abortable := connectauth.Abortable(mux)
	return newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		abortable.ServeHTTP(&countingWriter{w, flushed}, r)
	})), flushed
}

type countingWriter struct {
	http.ResponseWriter

	flushed *atomic.Int64
}

func (w *countingWriter) Flush() {
	w.flushed.Add(1)
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestAClientThatIsSendingOverHTTP1ReadsWhyItsStreamEnded has clients send without
// a pause while their tokens expire, so that there is always something which the
// server has not read. The client must find the whole answer and then the end of the
// connection. Were the connection closed at once, it would find it reset, and many
// clients give up what they have not read by then.
func TestAClientThatIsSendingOverHTTP1ReadsWhyItsStreamEnded(t *testing.T) {
	t.Parallel()
	const message = "\x00\x00\x00\x04\x00"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(message)+0x400, message+strings.Repeat("\x0a\x00", 0x200))
	for _, contentType := range []string{"application/connect+proto", "application/grpc-web+proto"} {
		for i := range 5 {
			t.Run(fmt.Sprint(contentType, i), func(t *testing.T) {
				t.Parallel()
				server, flushed := untilTheTokenExpires(t)
				conn := dial(t, server)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, err := io.WriteString(conn, request(guardtest.Procedures[auth.ClientStream], contentType, "Transfer-Encoding: chunked\r\n"))
					for err == nil { // until the server closes the connection
						_, err = io.WriteString(conn, chunk)
					}
				}()
				reader := bufio.NewReader(conn)
				if answer, _ := readAnswer(t, reader); !strings.Contains(answer, auth.TokenExpired.String()) {
					t.Errorf("answer %q; want one with %v", answer, auth.TokenExpired)
				}
				if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
					t.Errorf("after the answer comes %q, then %v; want the end", rest, err)
				}
				<-sent
				if n := flushed.Load(); n > 0 {
					t.Errorf("the answer was flushed %d times before it was complete", n)
				}
			})
		}
	}
}

// request is what a client sends over HTTP/1.1 without a token, up to the body.
func request(procedure, contentType, more string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: %s\r\n%s\r\n", procedure, contentType, more)
}

// TestARefusedCallOverHTTP1IsAnsweredBeforeItsBodyArrives never ends the body. It
// waits for the whole answer and for the end of the connection.
func TestARefusedCallOverHTTP1IsAnsweredBeforeItsBodyArrives(t *testing.T) {
	t.Parallel()
	server := newServer(t, connectauth.Abortable(newMux(guardtest.WhoCalls, connectauth.WithGuard(guardtest.NewGuard(nil)))))
	for name, body := range map[string]string{
		"chunked, nothing":                "Transfer-Encoding: chunked\r\n\r\n",
		"chunked, without its end":        "Transfer-Encoding: chunked\r\n\r\n5\r\n\x00\x00\x00\x00\x00\r\n",
		"a short length, nothing":         "Content-Length: 10\r\n\r\n",
		"a short length, a part":          "Content-Length: 10\r\n\r\n\x00",
		"a long length, nothing":          "Content-Length: 10000000\r\n\r\n",
		"a short length, to be asked for": "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
		"no length, to be asked for":      "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
		"a length just over the limit":    "Content-Length: 65537\r\n\r\n" + strings.Repeat("a", 65536),
		"a length just over, all there":   "Content-Length: 65537\r\n\r\n" + strings.Repeat("a", 65537),
		"no length, all there":            "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"the longest length, all but 1":   "Content-Length: 65536\r\n\r\n" + strings.Repeat("a", 65535),
	} {
		for shape, contentType := range map[auth.StreamType]string{auth.Unary: "application/proto", auth.ClientStream: "application/connect+proto", auth.ServerStream: "application/grpc-web+proto"} {
			t.Run(name+", "+shape.String(), func(t *testing.T) {
				t.Parallel()
				conn := dial(t, server)
				if _, err := io.WriteString(conn, strings.TrimSuffix(request(guardtest.Procedures[shape], contentType, ""), "\r\n")+body); err != nil {
					t.Fatal(err)
				}
				answer, kept := readAnswer(t, bufio.NewReader(conn))
				if kept || !strings.Contains(answer, auth.TokenMissing.Message()) {
					t.Errorf("kept %v, answer %q; want the connection closed, and %v", kept, answer, auth.TokenMissing)
				}
			})
		}
	}
}

// TestARefusedCallOverHTTP1KeepsItsConnection sends the next call on it.
func TestARefusedCallOverHTTP1KeepsItsConnection(t *testing.T) {
	t.Parallel()
	server := newServer(t, connectauth.Abortable(newMux(guardtest.WhoCalls, connectauth.WithGuard(guardtest.NewGuard(nil)))))
	for name, length := range map[string]int{"no body": 0, "a short body": 5, "the longest body": 1 << 16} {
		for shape, contentType := range map[auth.StreamType]string{auth.Unary: "application/proto", auth.ClientStream: "application/connect+proto", auth.ServerStream: "application/grpc-web+proto"} {
			t.Run(name+", "+shape.String(), func(t *testing.T) {
				t.Parallel()
				conn := dial(t, server)
				reader := bufio.NewReader(conn)
				for i := range 3 {
					more := fmt.Sprintf("Content-Length: %d\r\n", length)
					if _, err := io.WriteString(conn, request(guardtest.Procedures[shape], contentType, more)+strings.Repeat("a", length)); err != nil {
						t.Fatal(err)
					}
					answer, kept := readAnswer(t, reader)
					if !kept || !strings.Contains(answer, auth.TokenMissing.Message()) {
						t.Fatalf("call %d: kept %v, answer %q; want the connection kept, and %v", i, kept, answer, auth.TokenMissing)
					}
				}
			})
		}
	}
}

// TestAHandlersRefusalKeepsTheConnectionOfACompleteRequest has the handler refuse
// when the whole body was read, so that nothing is left of it to give up.
func TestAHandlersRefusalKeepsTheConnectionOfACompleteRequest(t *testing.T) {
	t.Parallel()
	server := newServer(t, connectauth.Abortable(newMux(func(context.Context, string) (string, error) {
		return "", auth.NewError(auth.RoleRequired, nil)
	}, connectauth.WithGuard(guardtest.NewGuard(nil)))))
	conn := dial(t, server)
	reader := bufio.NewReader(conn)
	more := "Authorization: Bearer " + guardtest.GoodToken + "\r\nContent-Length: 5\r\n"
	for i := range 2 {
		if _, err := io.WriteString(conn, request(guardtest.Procedures[auth.ServerStream], "application/grpc-web+proto", more)+"\x00\x00\x00\x00\x00"); err != nil {
			t.Fatal(err)
		}
		answer, kept := readAnswer(t, reader)
		if !kept || !strings.Contains(answer, auth.RoleRequired.Message()) {
			t.Fatalf("call %d: kept %v, answer %q; want the connection kept, and %v", i, kept, answer, auth.RoleRequired)
		}
	}
}

func dial(t *testing.T, server *server) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// readAnswer returns the answer as a text: its headers, and its whole body; and
// whether the server lets another call follow on the connection.
func readAnswer(t *testing.T, reader *bufio.Reader) (answer string, kept bool) {
	t.Helper()
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.Status, response.Header, string(body)), !response.Close
}
