package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/server/settings"
)

// browse calls WhoAmI as a browser does.
func (r *running) browse(t *testing.T, method string, header map[string]string) (status int, answer http.Header) {
	t.Helper()
	status, answer, _ = r.send(t, method, whoAmIProcedure, header, "{}")
	return status, answer
}

func preflight(origin string) map[string]string {
	return map[string]string{
		"Origin":                         origin,
		"Access-Control-Request-Method":  "POST",
		"Access-Control-Request-Headers": "authorization,connect-protocol-version,content-type",
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) {
		c.CORS.AllowedOrigins = []string{"https://app.example.com", "https://*.preview.example.com"}
	})
	call := func(origin string) map[string]string {
		return map[string]string{"Origin": origin, "Content-Type": "application/json"}
	}
	tests := map[string]struct {
		method string
		header map[string]string
		status int
		allow  string // Access-Control-Allow-Origin
	}{
		"a preflight of an allowed page needs no token": {http.MethodOptions, preflight("https://app.example.com"), http.StatusNoContent, "https://app.example.com"},
		"a preflight under the wildcard":                {http.MethodOptions, preflight("https://pr-7.preview.example.com"), http.StatusNoContent, "https://pr-7.preview.example.com"},
		"a preflight two labels under the wildcard":     {http.MethodOptions, preflight("https://a.b.preview.example.com"), http.StatusNoContent, ""},
		"a preflight of another page":                   {http.MethodOptions, preflight("https://evil.example.net"), http.StatusNoContent, ""},
		"a preflight of a sandboxed page":               {http.MethodOptions, preflight("null"), http.StatusNoContent, ""},
		"a preflight of the same host and another port": {http.MethodOptions, preflight("https://app.example.com:8443"), http.StatusNoContent, ""},
		"OPTIONS that is no preflight needs a token":    {http.MethodOptions, call("https://app.example.com"), http.StatusUnauthorized, "https://app.example.com"},
		"a refusal of an allowed page":                  {http.MethodPost, call("https://app.example.com"), http.StatusUnauthorized, "https://app.example.com"},
		"a refusal of another page":                     {http.MethodPost, call("https://evil.example.net"), http.StatusUnauthorized, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, header := r.browse(t, test.method, test.header)
			if status != test.status {
				t.Errorf("status %d; want %d", status, test.status)
			}
			if got := header.Get("Access-Control-Allow-Origin"); got != test.allow {
				t.Errorf("Access-Control-Allow-Origin %q; want %q", got, test.allow)
			}
			if vary := strings.Join(header.Values("Vary"), ", "); !strings.Contains(vary, "Origin") {
				t.Errorf("Vary %q; want Origin in it", vary)
			}
		})
	}
}

func TestCORSExposesTheHeadersThatAPageNeeds(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })

	_, header := r.browse(t, http.MethodOptions, preflight("https://app.example.com"))
	for name, want := range map[string]string{
		"Access-Control-Allow-Headers":     "authorization,connect-protocol-version,content-type",
		"Access-Control-Allow-Methods":     "POST",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Max-Age":           "7200",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("preflight: %s %q; want %q", name, got, want)
		}
	}

	_, header = r.browse(t, http.MethodPost, map[string]string{"Origin": "https://app.example.com", "Content-Type": "application/json"})
	exposed := header.Get("Access-Control-Expose-Headers")
	for _, want := range []string{"Www-Authenticate", "Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"} {
		if !strings.Contains(exposed, want) {
			t.Errorf("Access-Control-Expose-Headers %q; want %s in it", exposed, want)
		}
	}
}

func preflightFor(headers string) map[string]string {
	asked := preflight("https://app.example.com")
	asked["Access-Control-Request-Headers"] = headers
	return asked
}

func TestCORSRequestHeaders(t *testing.T) {
	t.Parallel()
	allowOrigin := func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} }
	allowTenant := func(c *settings.Config) { c.CORS.AllowedHeaders = []string{"X-Tenant", "x-b"} }
	tests := map[string]struct {
		edit    func(*settings.Config)
		headers string // as browsers send them: in lower case, sorted
		refused string // as the log has them
	}{
		"those of Connect":              {nil, "authorization,connect-protocol-version,connect-timeout-ms,content-type", ""},
		"those of gRPC-Web":             {nil, "authorization,content-type,grpc-timeout,x-grpc-web,x-user-agent", ""},
		"those of tracing":              {nil, "baggage,sentry-trace,traceparent,tracestate,x-request-id", ""},
		"one that is set":               {allowTenant, "authorization,x-b,x-tenant", ""},
		"one that is not set":           {nil, "authorization,x-tenant", "x-tenant"},
		"one beside those that are set": {allowTenant, "x-b,x-c,x-tenant", "x-c"},
		"two":                           {nil, "x-b,x-tenant", "x-b,x-tenant"},
		"the longest list that is logged": {
			nil, "x-1,x-2,x-3,x-4,x-5,x-6,x-7,x-8", "x-1,x-2,x-3,x-4,x-5,x-6,x-7,x-8",
		},
		"a longer list": {nil, "x-1,x-2,x-3,x-4,x-5,x-6,x-7,x-8,x-9,y", "x-1,x-2,x-3,x-4,x-5,x-6,x-7,x-8,..."},
		"a long name":   {nil, "x-" + strings.Repeat("a", 63), "x-" + strings.Repeat("a", 62)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edits := []func(*settings.Config){allowOrigin}
			if test.edit != nil {
				edits = append(edits, test.edit)
			}
			r := start(t, edits...)
			_, header := r.browse(t, http.MethodOptions, preflightFor(test.headers))
			want := test.headers
			if test.refused != "" {
				want = ""
			}
			if got := header.Get("Access-Control-Allow-Headers"); got != want {
				t.Errorf("Access-Control-Allow-Headers %q; want %q", got, want)
			}
			logged := contains(r.log, "a page was refused for the headers of its call", "headers="+test.refused+" ", "https://app.example.com", "cors_allowed_headers")
			if logged != (test.refused != "") {
				t.Errorf("logged: %v\n%s", logged, r.log)
			}
		})
	}
}

func TestCORSLogsTheMethodThatItRefuses(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
	asked := preflight("https://app.example.com")
	asked["Access-Control-Request-Method"] = http.MethodPut
	if _, header := r.browse(t, http.MethodOptions, asked); header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("PUT was allowed")
	}
	if !contains(r.log, "a page was refused for the method of its call", "method=PUT ", "https://app.example.com", "call with ") {
		t.Errorf("the refused method is not in the log\n%s", r.log)
	}
}

func TestCORSLogsTheOriginAloneOfAnotherPage(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
	asked := preflightFor("x-tenant")
	asked["Origin"] = "https://evil.example.net"
	r.browse(t, http.MethodOptions, asked)
	if !contains(r.log, "a page of another origin was refused", "origin=https://evil.example.net", "cors_allowed_origins") {
		t.Error("the log does not name the origin")
	}
	if contains(r.log, "x-tenant") {
		t.Error("the log names headers, which are not why")
	}
}

func TestCORSWithoutCredentials(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) {
		c.CORS = settings.CORS{AllowedOrigins: []string{"*"}, WithoutCredentials: true}
	})
	_, header := r.browse(t, http.MethodOptions, preflight("https://anybody.example"))
	if got := header.Get("Access-Control-Allow-Origin"); got != "https://anybody.example" {
		t.Errorf("Access-Control-Allow-Origin %q; want the page's own", got)
	}
	if got := header.Get("Access-Control-Allow-Credentials"); got != "" {
		t.Errorf("Access-Control-Allow-Credentials %q; want none", got)
	}
}

func TestCORSAnswersNoRequestWithTwoOrigins(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+identityv1connect.IdentityServiceWhoAmIProcedure, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Origin"] = []string{"https://app.example.com", "https://evil.example.net"}
	res, err := httpClient(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Values("Access-Control-Allow-Origin"); got != nil {
		t.Errorf("Access-Control-Allow-Origin %q; want none", got)
	}
}

func TestWithoutOriginsThereIsNoCORS(t *testing.T) {
	t.Parallel()
	r := start(t)
	status, header := r.browse(t, http.MethodOptions, preflight("https://app.example.com"))
	if status != http.StatusUnauthorized {
		t.Errorf("status %d; want %d", status, http.StatusUnauthorized)
	}
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			t.Errorf("header %s: %q; want no CORS", name, header[name])
		}
	}
}
