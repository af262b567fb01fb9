package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestARefusedCallOverHTTP1AndItsBody calls without a token.
func TestARefusedCallOverHTTP1AndItsBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, test := range map[string]struct {
		body string
		kept bool
	}{
		"a short body is dropped, and the connection kept": {"Content-Length: 2\r\n\r\n{}", true},
		"a chunked body that stays open is not waited for": {"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", false},
		"a long body is not waited for":                    {"Content-Length: 1000000\r\n\r\n{}", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(8 * time.Second)) // less than a body may take
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n%s", whoAmIProcedure, test.body); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(answer), "TOKEN_MISSING") || res.Close == test.kept {
				t.Errorf("%s, close %t, %s, %v; want TOKEN_MISSING, and the connection kept: %t", res.Status, res.Close, answer, err, test.kept)
			}
		})
	}
}
