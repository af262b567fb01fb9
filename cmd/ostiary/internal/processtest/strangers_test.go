package processtest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// TestStrangersCannotFillTheDisk floods a server with refusals, and reads its log.
func TestStrangersCannotFillTheDisk(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer, "--cors-allowed-origins", "https://app.example.com")...)
	log := make(chan string)
	go func() {
		all, _ := io.ReadAll(p.log) // up to the server's end
		log <- string(all)
	}()

	const each = 500
	const whoAmI = identityv1connect.IdentityServiceWhoAmIProcedure
	forged := issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256").WithID(issuer.Key().ID())))
	expired := issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-time.Hour)))
	client := &http.Client{Transport: new(http.Transport), Timeout: serverTimeout}
	defer client.CloseIdleConnections()
	send := func(method, path string, header http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = header
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	call := func(token string) func() {
		return func() {
			send(http.MethodPost, whoAmI, http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}})
		}
	}
	var wg sync.WaitGroup
	for _, flood := range []func(){
		call(forged),
		call("a.b.c"),
		func() { send(http.MethodPost, whoAmI, http.Header{"Content-Type": {"application/json"}}) },
		func() { send(http.MethodGet, "/admin.php", http.Header{}) },
		func() {
			send(http.MethodOptions, whoAmI, http.Header{"Origin": {"https://evil.example.com"}, "Access-Control-Request-Method": {"POST"}})
		},
		call(expired),
		call(issuer.Session("user_ada")),
	} {
		wg.Go(func() {
			for range each {
				flood()
			}
		})
	}
	wg.Wait()
	p.stop(t)

	got := <-log
	for reason, want := range map[string]int{"reason=TOKEN_EXPIRED": each, "code=ok": each} {
		if lines := strings.Count(got, reason); lines != want {
			t.Errorf("%d lines with %s; want all %d", lines, reason, want)
		}
	}
	for kind, line := range map[string]string{
		"SIGNATURE_INVALID": "reason=SIGNATURE_INVALID", "TOKEN_MALFORMED": "reason=TOKEN_MALFORMED", "TOKEN_MISSING": "reason=TOKEN_MISSING",
		"http_404": "code=http_404", "preflight": "a page of another origin was refused",
	} {
		logged, omitted := strings.Count(got, line), 0
		for _, found := range regexp.MustCompile(`omitted\.`+kind+`=(\d+).* peers=1\n`).FindAllStringSubmatch(got, -1) {
			n, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			omitted += n
		}
		if logged < 10 || omitted == 0 || logged+omitted != each {
			t.Errorf("%s: %d lines, and %d left out; want %d in all, and not all of them lines", kind, logged, omitted, each)
		}
	}
	if strings.Contains(got, forged) || strings.Contains(got, expired) {
		t.Error("the log holds a token")
	}
}

// TestStrangersWithoutTLSCannotFillTheDisk has connections that fail before there is a
// call.
func TestStrangersWithoutTLSCannotFillTheDisk(t *testing.T) {
	t.Parallel()
	cert, key := writePair(t, t.TempDir(), time.Now().Add(time.Hour))
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer, "--tls-cert", cert, "--tls-key", key)...)
	addr := strings.TrimPrefix(p.url, "http://")
	const attempts = 200
	for range attempts {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the server has refused it
		_ = conn.Close()
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	p.stop(t)
	got, err := io.ReadAll(p.log)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(got), "remedy="); lines < 10 || lines == attempts || !strings.Contains(string(got), "omitted.plaintext_to_tls=") {
		t.Errorf("%d lines about %d handshakes; want not all of them, and a count\n%s", lines, attempts, got)
	}
}
