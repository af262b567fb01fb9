package doctor_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// described is a setup with one issuer.
func described(issuer string, more ...string) setup {
	return setup{environ: append([]string{"OSTIARY_ISSUER=" + issuer, "OSTIARY_AUDIENCES=api"}, more...)}
}

// at returns an issuer whose answers a handler changes.
func at(t *testing.T, change func(issuer http.Handler, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var issuer *authtest.Issuer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { change(issuer, w, r) }))
	t.Cleanup(server.Close)
	issuer = authtest.New(server.URL)
	return server.URL
}

func TestTroubleWithAnIssuerIsFound(t *testing.T) {
	t.Parallel()
	failing := func(outage authtest.Outage) func(*testing.T) setup {
		return func(t *testing.T) setup {
			t.Helper()
			issuer := authtest.Start(t)
			issuer.Fail(outage)
			return described(issuer.URL())
		}
	}
	clockOff := func(by time.Duration) func(*testing.T) setup {
		return func(t *testing.T) setup {
			t.Helper()
			return described(at(t, func(issuer http.Handler, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
				issuer.ServeHTTP(w, r)
			}))
		}
	}
	for name, test := range map[string]struct {
		setup func(*testing.T) setup
		want  want
	}{
		"no keys are there":          {failing(authtest.Status(http.StatusNotFound)), want{"issuer.not_found", doctor.Fault, "correct OSTIARY_ISSUER: it is the iss claim of the tokens", "answers 404"}},
		"a web page instead of keys": {failing(authtest.HTML), want{"issuer.html", doctor.Fault, "correct OSTIARY_ISSUER", "with a web page instead of JSON"}},
		"another URL for the keys is set": {func(t *testing.T) setup {
			t.Helper()
			issuer := authtest.Start(t)
			return described(issuer.URL(), "OSTIARY_JWKS_URL="+issuer.URL()+"/nowhere")
		}, want{"issuer.not_found", doctor.Fault, "set OSTIARY_JWKS_URL to that", "/nowhere answers 404"}},
		"an empty set of keys":       {failing(authtest.EmptyKeys), want{"issuer.keys_unusable", doctor.Fault, "OSTIARY_JWKS_URL", "no usable key"}},
		"keys of unknown kinds":      {failing(authtest.UnknownKeyTypesOnly), want{"issuer.keys_unusable", doctor.Fault, "compare the document at http", "no usable key"}},
		"a document that is cut":     {failing(authtest.Truncated), want{"issuer.truncated", doctor.Fault, "a proxy that cuts answers", "ends in the middle"}},
		"the issuer is out of order": {failing(authtest.Status(http.StatusBadGateway)), want{"issuer.status", doctor.Fault, "wait, or ask who runs it", "answers 502"}},
		"the issuer refuses":         {failing(authtest.Status(http.StatusForbidden)), want{"issuer.forbidden", doctor.Fault, "it wants credentials", "answers 403"}},
		"this clock is behind":       {clockOff(time.Hour), want{"clock.behind", doctor.Fault, "set the clock of this machine right", " behind that of the issuer"}},
		"this clock is ahead":        {clockOff(-2 * time.Minute), want{"clock.ahead", doctor.Fault, "set the clock of this machine right", " ahead of that of the issuer"}},
		"the clocks agree":           {clockOff(0), want{"clock.agrees", doctor.OK, "", ""}},
		"the issuer never answers": {func(t *testing.T) setup {
			t.Helper()
			s := failing(authtest.Hang)(t)
			s.timeout = 3 * time.Second
			return s
		}, want{"issuer.timeout", doctor.Fault, "look for a firewall", "has not answered within"}},
		"nothing listens": {func(*testing.T) setup { return described("http://127.0.0.1:1") }, want{"issuer.refused", doctor.Fault, "", "127.0.0.1:1 refuses the connection"}},
		"another machine's localhost, seen from a container": {
			func(*testing.T) setup { return described("http://localhost:1", "KUBERNETES_SERVICE_HOST=10.0.0.1") },
			want{"issuer.refused", doctor.Fault, "inside a container localhost is the container itself", "localhost:1 refuses"},
		},
		"a name that there is not": {func(*testing.T) setup { return described("https://clerk.invalid") }, want{"issuer.dns", doctor.Fault, "correct the name, or the DNS servers", "clerk.invalid cannot be resolved"}},
		"an authority that this machine does not know": {func(t *testing.T) setup {
			t.Helper()
			server := httptest.NewTLSServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			return described(server.URL)
		}, want{"issuer.tls_unknown_ca", doctor.Fault, "set OSTIARY_CA_FILE to the PEM file", "signed by an authority"}},
		"https where there is http": {func(t *testing.T) setup {
			t.Helper()
			return described(strings.Replace(authtest.Start(t).URL(), "http:", "https:", 1))
		}, want{"issuer.scheme", doctor.Fault, "correct the scheme or the port of the URL: correct OSTIARY_ISSUER", "speaks plain http"}},
		"http where there is https": {func(t *testing.T) setup {
			t.Helper()
			server := httptest.NewTLSServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			return described(strings.Replace(server.URL, "https:", "http:", 1))
		}, want{"issuer.scheme", doctor.Fault, "write https in the URL", "speaks TLS"}},
		"http elsewhere than on this machine": {func(*testing.T) setup { return described("http://clerk.example.invalid") }, want{"settings.url", doctor.Fault, "use https", "is plain http"}},
		"a slash after Clerk's issuer":        {func(*testing.T) setup { return described("https://clerk.example.invalid/") }, want{"settings.url", doctor.Fault, "remove it", "ends in a slash"}},
		"a slash that the issuer does not have": {func(t *testing.T) setup {
			t.Helper()
			return described(authtest.Start(t).URL()+"/", "OSTIARY_PROFILE=oidc")
		}, want{"issuer.name_differs", doctor.Fault, "set OSTIARY_ISSUER to http", "only the slash at the end differs"}},
		"upper case that the issuer does not have": {func(t *testing.T) setup {
			t.Helper()
			url := at(t, func(issuer http.Handler, w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
					fmt.Fprintf(w, `{"issuer":"http://localhost:%s"}`, strings.TrimPrefix(r.Host[strings.LastIndexByte(r.Host, ':'):], ":"))
					return
				}
				issuer.ServeHTTP(w, r)
			})
			return described(strings.Replace(url, "127.0.0.1", "LOCALHOST", 1))
		}, want{"issuer.name_differs", doctor.Fault, "set OSTIARY_ISSUER to http://localhost:", "only upper and lower case differ"}},
		"an issuer that is not Clerk's": {func(t *testing.T) setup {
			t.Helper()
			return described(at(t, func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/.well-known/openid-configuration" {
					http.NotFound(w, r)
					return
				}
				fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://%s/keys"}`, r.Host, r.Host)
			}))
		}, want{"issuer.not_found", doctor.Fault, "set OSTIARY_PROFILE to oidc", ""}},
		"one of a list": {func(*testing.T) setup {
			return setup{yaml: "issuers:\n  - url: https://one.invalid\n    audiences: [api]\n  - url: http://127.0.0.1:1\n    audiences: [api]\n"}
		}, want{"issuer.refused", doctor.Fault, "", "127.0.0.1:1"}},
		"all is well": {func(t *testing.T) setup { t.Helper(); return described(authtest.Start(t).URL()) }, want{"issuer.keys", doctor.OK, "", "1 key, fetched directly from 127.0.0.1:"}},
		"the key is given": {func(t *testing.T) setup {
			t.Helper()
			return described("https://clerk.invalid", "OSTIARY_JWT_KEY="+string(authtest.New("https://clerk.invalid").PublicPEM()))
		}, want{"issuer.key_given", doctor.OK, "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.check(t, test.setup(t).examine(t))
		})
	}
}

// One that hangs is not waited for by the others.
func TestACheckThatDoesNotEndHidesNoOther(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s := described("http://" + listener.Addr().String())
	s.timeout = 2 * time.Second
	s.flags = []string{"--http-addr", listener.Addr().String()}
	findings := s.examine(t)
	want{"issuer.timeout", doctor.Fault, "", ""}.check(t, findings)
	want{"server.port_in_use", doctor.Fault, "--http-addr", "no ostiary server"}.check(t, findings)
	want{"store.new", doctor.OK, "", ""}.check(t, findings)
}
