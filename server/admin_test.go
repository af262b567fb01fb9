package server

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/settings"
)

// admin returns the answer of the listener for operators.
func (r *running) admin(t *testing.T, path string) (status int, body string) {
	t.Helper()
	res, err := httpClient(t, false).Get("http://" + r.AdminAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(read)
}

func TestProbesAreAnsweredInPlaintextForOperators(t *testing.T) {
	t.Parallel()
	cert, key, _ := selfSigned(t)
	r := start(t, func(c *settings.Config) { c.TLSCert, c.TLSKey = cert, key })
	if status, body := r.admin(t, "/livez"); status != http.StatusOK || !strings.Contains(body, `"live"`) {
		t.Errorf("/livez: %d %s; want 200", status, body)
	}
	eventually(t, "the server is ready", func() bool {
		status, body := r.admin(t, "/readyz")
		return status == http.StatusOK && strings.Contains(body, `"ready"`)
	})
	if known := exported(r.metrics(t)); known["ostiary_tls_certificate_expiry_seconds"] == nil || known["ostiary_tls_certificate_renewal_due_seconds"] == nil {
		t.Error("the metrics do not say when the certificate expires")
	}
	r.Server.stop()
	if status, body := r.admin(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"stopping"`) {
		t.Errorf("/readyz of a server that stops: %d %s; want 503", status, body)
	}
}

func TestNothingButProbesAndMetricsIsServedForOperators(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/", "/debug/pprof/", "/debug/pprof/heap", "/ostiary.identity.v1.IdentityService/WhoAmI", "/.well-known/oauth-protected-resource"} {
		if status, _ := r.admin(t, path); status != http.StatusNotFound {
			t.Errorf("%s: %d; want 404", path, status)
		}
	}
}

// The command line is not shown, since flags can be secrets.
func TestProfilesAreServedWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Profiling = true })
	if status, body := r.admin(t, "/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("goroutines: %d %.100s; want a profile", status, body)
	}
	if status, body := r.admin(t, "/debug/pprof/cmdline"); status != http.StatusNotFound || strings.Contains(body, os.Args[0]) {
		t.Errorf("command line: %d %.100s; want 404", status, body)
	}
	res, err := httpClient(t, false).Get(r.url + "/debug/pprof/")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("profiles on the public port: %d; want 404", res.StatusCode)
	}
}

func TestTheListenerForOperatorsCanBeLeftOut(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.AdminAddr = settings.AdminNone })
	if addr := r.AdminAddr(); addr != nil {
		t.Errorf("it listens on %v; want nothing", addr)
	}
}

func TestTheListenerForOperatorsEndsWithTheServer(t *testing.T) {
	t.Parallel()
	r := start(t)
	url := "http://" + r.AdminAddr().String() + "/livez"
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if res, err := httpClient(t, false).Get(url); err == nil {
		_ = res.Body.Close()
		t.Error("it still answers")
	}
}
