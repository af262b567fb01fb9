package interceptors_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// TestAStreamOverHTTP1EndsEvenIfItsRequestIsIncomplete has a client announce a request
// and send none of it, or all of it but its end.
func TestAStreamOverHTTP1EndsEvenIfItsRequestIsIncomplete(t *testing.T) {
	t.Parallel()
	const hello = "\x00\x00\x00\x00\x00"
	for name, body := range map[string]string{
		"nothing of it":   "Content-Length: 100\r\n\r\n",
		"all but its end": "Transfer-Encoding: chunked\r\n\r\n5\r\n" + hello + "\r\n",
	} {
		for _, method := range []string{clientStream, serverStream} {
			t.Run(name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseHouse(t, "idle")
				h.present(lifetime, "reader")
				at, err := url.Parse(serveHTTP(t, connectauth.Abortable(h.mux())))
				if err != nil {
					t.Fatal(err)
				}
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at.Host)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/connect+proto\r\n%s",
					procedure(leases, method), at.Host, body); err != nil {
					t.Fatal(err)
				}
				answer, err := io.ReadAll(conn)
				if !strings.Contains(string(answer), auth.TokenExpired.String()) {
					t.Errorf("answer %q, %v; want one with %v", answer, err, auth.TokenExpired)
				}
			})
		}
	}
}
