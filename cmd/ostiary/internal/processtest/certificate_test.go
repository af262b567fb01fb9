package processtest

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// expiryAt returns when the certificate expires that a port shows.
func expiryAt(t *testing.T, addr string) time.Time {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].NotAfter
}

// awaitExpiry waits until a port shows a certificate that expires then.
func awaitExpiry(t *testing.T, addr string, want time.Time) {
	t.Helper()
	tick, deadline := time.NewTicker(50*time.Millisecond), time.NewTimer(serverTimeout)
	defer tick.Stop()
	defer deadline.Stop()
	for !expiryAt(t, addr).Equal(want) {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s shows a certificate that expires %v; want %v", addr, expiryAt(t, addr), want)
		}
	}
}

// readyExpiry returns what /readyz says of the certificate.
func readyExpiry(t *testing.T, addr string) time.Time {
	t.Helper()
	client := &http.Client{Timeout: serverTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Expires time.Time `json:"certificate_expires"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Expires
}

func TestACertificateIsRenewedWithoutARestart(t *testing.T) {
	t.Parallel()
	now, dir := time.Now().UTC().Truncate(time.Second), t.TempDir()
	cert, key := writePair(t, dir, now.Add(time.Hour))
	p := startPiped(t, serveAnywhere(authtest.Start(t), "--tls-cert", cert, "--tls-key", key)...)
	ports := []string{strings.TrimPrefix(p.url, "http://"), p.grpc}
	for _, addr := range ports {
		awaitExpiry(t, addr, now.Add(time.Hour))
	}

	renewed := now.Add(2 * time.Hour)
	writePair(t, dir, renewed)
	for _, addr := range ports {
		awaitExpiry(t, addr, renewed)
	}
	if got := readyExpiry(t, ports[0]); !got.Equal(renewed) {
		t.Errorf("readiness says that it expires %v; want %v", got, renewed)
	}

	_, other := writePair(t, t.TempDir(), now.Add(3*time.Hour))
	wrong, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`level=WARN msg="the TLS certificate cannot be renewed; the one in use is kept" error=.*private key does not match`))
	writePair(t, dir, now.Add(-time.Hour))
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`the one in use is kept" error=.*the certificate expired on`))
	for _, addr := range ports {
		awaitExpiry(t, addr, renewed)
	}

	writePair(t, dir, now.Add(4*time.Hour))
	p.hangUp(t)
	for _, addr := range ports {
		awaitExpiry(t, addr, now.Add(4*time.Hour))
	}
	p.stop(t)
}

// hangUp asks the server to read its certificate again.
func (p *piped) hangUp(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

func TestASignalToReadAgainEndsNoServer(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer)...)
	p.hangUp(t)
	p.call(t, issuer, 1)
	p.stop(t)
}

func TestAServerDoesNotStartWithACertificateThatHasExpired(t *testing.T) {
	t.Parallel()
	cert, key := writePair(t, t.TempDir(), time.Now().Add(-time.Hour))
	cmd := exec.CommandContext(t.Context(), "ostiary", "serve", "--issuer", "https://issuer.example.com", "--tls-cert", cert, "--tls-key", key)
	cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "the certificate expired on") {
		t.Errorf("%v\n%s", err, out)
	}
}
