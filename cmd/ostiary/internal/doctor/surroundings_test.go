package doctor_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server"
	"github.com/ostiary/ostiary/server/settings"
)

func TestTroubleWithTheCertificateIsFound(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good, goodKey := pair(t, now.Add(-time.Hour), now.Add(60*24*time.Hour))
	_, otherKey := pair(t, now.Add(-time.Hour), now.Add(60*24*time.Hour))
	expired, expiredKey := pair(t, now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, earlyKey := pair(t, now.Add(time.Hour), now.Add(2*time.Hour))
	soon, soonKey := pair(t, now.Add(-80*24*time.Hour), now.Add(3*24*time.Hour+time.Hour))
	daily, dailyKey := pair(t, now.Add(-time.Hour), now.Add(23*time.Hour))
	for name, test := range map[string]struct {
		cert, key string
		want      want
	}{
		"the key is another's":    {good, otherKey, want{"tls.mismatch", doctor.Fault, "name the key of this certificate in OSTIARY_TLS_KEY", "does not belong"}},
		"it has expired":          {expired, expiredKey, want{"tls.expired", doctor.Fault, "renew it in place", "the certificate expired on"}},
		"it does not count yet":   {early, earlyKey, want{"tls.not_yet_valid", doctor.Fault, "set the clock", ""}},
		"it expires soon":         {soon, soonKey, want{"tls.expires_soon", doctor.Warning, "renew it in place", "was not renewed"}},
		"it is not there":         {"/nowhere/cert.pem", goodKey, want{"tls.unreadable", doctor.Fault, "correct OSTIARY_TLS_CERT", "no such file"}},
		"it is no certificate":    {goodKey, goodKey, want{"tls.unusable", doctor.Fault, "in PEM", ""}},
		"there is no key":         {good, "", want{"tls.half", doctor.Fault, "set both OSTIARY_TLS_CERT and OSTIARY_TLS_KEY", ""}},
		"all is well":             {good, goodKey, want{"tls.pair", doctor.OK, "", "expires on"}},
		"one of a day is new":     {daily, dailyKey, want{"tls.pair", doctor.OK, "", "expires on"}},
		"neither, behind a proxy": {"", "", want{"tls.none", doctor.OK, "", "plaintext"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := described("http://127.0.0.1:1", "OSTIARY_TLS_CERT="+test.cert, "OSTIARY_TLS_KEY="+test.key).examine(t)
			test.want.check(t, findings)
			for _, finding := range findings {
				if finding.ID == "settings.tls_cert" {
					t.Errorf("the same twice: %+v", finding)
				}
			}
		})
	}
}

func TestARunningServerIsExamined(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	config := oneOf(issuer)
	config.AdminAddr = "127.0.0.1:0"
	config.CORS.AllowedOrigins = []string{"https://app.example.com"}
	_, flags := serve(t, config)
	environ := []string{"OSTIARY_ISSUER=" + issuer.URL(), "CORS_ALLOWED_ORIGINS=https://app.example.com"}

	findings := setup{environ: environ, flags: flags}.examine(t)
	none(t, findings, doctor.Fault)
	want{"server.running", doctor.OK, "", "is ready"}.check(t, findings)
	want{"cors.allowed", doctor.OK, "", "https://app.example.com"}.check(t, findings)
	want{"cors.usual", doctor.OK, "", "add them to CORS_ALLOWED_ORIGINS"}.check(t, findings)
	want{"store.usable", doctor.OK, "", "can be read and written"}.check(t, findings)

	other := authtest.Start(t)
	for name, test := range map[string]struct {
		setup setup
		want  want
	}{
		"it has other issuers":             {setup{environ: []string{"OSTIARY_ISSUER=" + other.URL()}, flags: flags}, want{"server.other_settings", doctor.Fault, "restart the server", "its issuers are " + issuer.URL()}},
		"an origin is missing":             {setup{environ: environ, flags: flags, origins: []string{"https://www.example.com"}}, want{"cors.origin_missing", doctor.Fault, "add https://www.example.com to CORS_ALLOWED_ORIGINS", "allows no origin"}},
		"an origin has another scheme":     {setup{environ: environ, flags: flags, origins: []string{"http://app.example.com"}}, want{"cors.origin_missing", doctor.Fault, "add http://app.example.com", "only the scheme differs"}},
		"an origin has a slash":            {setup{environ: environ, flags: flags, origins: []string{"https://app.example.com/"}}, want{"cors.origin_form", doctor.Fault, "write https://app.example.com", "browsers send"}},
		"an origin has the scheme's port":  {setup{environ: environ, flags: flags, origins: []string{"https://APP.example.com:443"}}, want{"cors.origin_form", doctor.Fault, "write https://app.example.com", ""}},
		"an origin was added since":        {setup{environ: append([]string{"OSTIARY_LOG_LEVEL=warn"}, environ[0], environ[1]+",http://localhost:3000"), flags: flags}, want{"cors.not_in_force", doctor.Fault, "restart the server", "though the settings allow it"}},
		"an authorized party cannot call":  {setup{environ: append([]string{"OSTIARY_AUTHORIZED_PARTIES=https://shop.example.com"}, environ...), flags: flags}, want{"cors.party_missing", doctor.Warning, "add https://shop.example.com", ""}},
		"another server has admin_addr":    {setup{environ: environ, flags: append([]string{}, flags[4:]...)}, want{"server.port_in_use", doctor.Fault, "another port", "two servers on one machine need an admin_addr each"}},
		"the native port is of another":    {setup{environ: environ, flags: flags[2:4]}, want{"server.port_in_use", doctor.Fault, "--grpc-addr", "something else listens"}},
		"it does not serve the other port": {setup{environ: environ, flags: append(append([]string{}, flags...), "--grpc-addr", noGRPC)}, want{"server.other_settings", doctor.Fault, "restart the server", "does not listen on " + noGRPC}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.check(t, test.setup.examine(t))
		})
	}
}

func TestAServerWithTLSIsExamined(t *testing.T) {
	t.Parallel()
	issuer, now := authtest.Start(t), time.Now()
	config := oneOf(issuer)
	config.TLSCert, config.TLSKey = pair(t, now.Add(-time.Hour), now.Add(60*24*time.Hour))
	config.AdminAddr = "127.0.0.1:0"
	config.CORS.AllowedOrigins = []string{"https://app.example.com"}
	_, flags := serve(t, config)
	environ := []string{"OSTIARY_ISSUER=" + issuer.URL(), "CORS_ALLOWED_ORIGINS=https://app.example.com"}
	findings := setup{environ: environ, flags: append(flags, "--tls-cert", config.TLSCert, "--tls-key", config.TLSKey)}.examine(t)
	none(t, findings, doctor.Fault)
	want{"server.running", doctor.OK, "", "is ready"}.check(t, findings)
	want{"cors.allowed", doctor.OK, "", "https://app.example.com"}.check(t, findings)

	renewed, renewedKey := pair(t, now.Add(-time.Hour), now.Add(90*24*time.Hour))
	want{"tls.not_in_use", doctor.Warning, "compare the settings", "another certificate"}.check(t, setup{environ: environ, flags: append(flags, "--tls-cert", renewed, "--tls-key", renewedKey)}.examine(t))
	want{"server.other_settings", doctor.Fault, "restart the server", "has TLS"}.check(t, setup{environ: environ, flags: flags}.examine(t))
}

func TestAServerBehindAProxyThatPassesOnBytesIsExamined(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	for trusted, want := range map[string]want{
		"127.0.0.1":  {"server.running", doctor.OK, "", "is ready"},
		"10.0.0.0/8": {"server.only_proxies", doctor.Warning, "add 127.0.0.1 to OSTIARY_TRUSTED_PROXIES", "accepts only its trusted proxies"},
	} {
		t.Run(trusted, func(t *testing.T) {
			t.Parallel()
			config := oneOf(issuer)
			config.ProxyProtocol, config.TrustedProxies, config.AdminAddr = true, []string{trusted}, "127.0.0.1:0"
			_, flags := serve(t, config)
			findings := setup{environ: []string{"OSTIARY_ISSUER=" + issuer.URL(), "OSTIARY_PROXY_PROTOCOL=true", "OSTIARY_TRUSTED_PROXIES=" + trusted}, flags: flags}.examine(t)
			want.check(t, findings)
			none(t, findings, doctor.Fault)
		})
	}
}

func TestWithoutOriginsNoPageCanCall(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	_, flags := serve(t, oneOf(issuer))
	findings := setup{environ: []string{"OSTIARY_ISSUER=" + issuer.URL()}, flags: flags}.examine(t)
	want{"cors.none", doctor.Warning, "set CORS_ALLOWED_ORIGINS to its origin, such as http://localhost:3000", "no page of another origin"}.check(t, findings)
	for _, finding := range findings {
		if finding.ID == "cors.none" && finding.Subject != "http://localhost:3000, http://frontend:3000" {
			t.Error(finding.Subject)
		}
	}
}

func TestTroubleWithThePortsIsFound(t *testing.T) {
	t.Parallel()
	web := listen(t, http.NotFoundHandler())
	for name, test := range map[string]struct {
		setup setup
		want  want
	}{
		"the port is another program's":    {setup{flags: []string{"--http-addr", web}}, want{"server.port_in_use", doctor.Fault, "set --http-addr to another port", "it is no ostiary server"}},
		"that for operators is":            {setup{flags: []string{"--admin-addr", web}}, want{"server.port_in_use", doctor.Fault, "set --admin-addr to another port", "it is no ostiary server"}},
		"nobody reaches it in a container": {setup{environ: []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, flags: []string{"--http-addr", "[::1]:1"}}, want{"server.loopback_only", doctor.Warning, "to 0.0.0.0", "[::1]:1"}},
		"an address of another machine":    {setup{flags: []string{"--http-addr", "192.0.2.1:8080"}}, want{"server.address_elsewhere", doctor.Fault, "set --http-addr to one of its addresses", "192.0.2.1 is no address of this machine"}},
		"nothing runs":                     {setup{}, want{"server.not_running", doctor.Warning, "ostiary serve", "no server answers"}},
		"any port":                         {setup{flags: []string{"--http-addr", "127.0.0.1:0"}}, want{"server.port_unknown", doctor.Warning, "set a port", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.check(t, test.setup.examine(t))
		})
	}
}

// An issuer that has gone after the server started leaves it without keys.
func TestAServerWithoutKeysIsFound(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(map[string]any{"status": "not ready", "database": map[string]any{"state": "read_only", "remedy": "the log says why"}, "issuers": []map[string]any{{"issuer": "http://127.0.0.1:1", "ready": false}}})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(body)
	}))
	s := described("http://127.0.0.1:1")
	s.flags = []string{"--http-addr", addr}
	findings := s.examine(t)
	want{"server.not_ready", doctor.Fault, "see the findings about this issuer", "no keys of http://127.0.0.1:1"}.check(t, findings)
	want{"server.database", doctor.Fault, "the log says why", "read_only"}.check(t, findings)
}

// Nothing is made or changed by looking.
func TestNothingIsChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	setup{flags: []string{"--data-dir", filepath.Join(dir, "new", "data")}}.examine(t)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v; want nothing", entries, err)
	}
	issuer := authtest.Start(t)
	config := oneOf(issuer)
	config.HTTPAddr, config.GRPCAddr, config.AdminAddr, config.DataDir = "127.0.0.1:0", "127.0.0.1:0", settings.AdminNone, dir
	srv, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	want{"store.usable", doctor.OK, "", ""}.check(t, setup{flags: []string{"--data-dir", dir}}.examine(t))
	if after := listing(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(entry.Name() + " " + info.ModTime().String() + "\n")
	}
	return lines.String()
}
