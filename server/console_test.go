package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/settings"
)

// clerkKey stands for https://clerk.example.com.
const clerkKey = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"

// page gets a path, with pairs of the names and values of headers.
func (r *running) page(t *testing.T, path string, header ...string) (status int, answer http.Header, body string) {
	t.Helper()
	named := make(map[string]string)
	for i := 0; i < len(header); i += 2 {
		named[header[i]] = header[i+1]
	}
	return r.send(t, http.MethodGet, path, named, "")
}

func TestTheConsoleIsOffByDefault(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/", "/sessions", "/console/config.json", "/assets/"} {
		if status, _, _ := r.page(t, path); status != http.StatusNotFound {
			t.Errorf("%s answers %d; want 404", path, status)
		}
	}
}

func TestTheConsoleIsOnePageAtSeveralPaths(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Console.Enabled = true })
	_, header, index := r.page(t, "/")
	if !strings.Contains(index, "<title>ostiary</title>") || header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%v %s; want the page", header, index)
	}
	for _, path := range []string{"/sessions", "/decisions", "/revocations", "/access", "/token", "/try"} {
		if status, _, body := r.page(t, path); status != http.StatusOK || body != index {
			t.Errorf("%s answers %d and another page", path, status)
		}
	}
	for _, path := range []string{"/index.html", "/nothing", "/sessions/more", "/assets/", "/assets/..%2findex.html"} {
		if status, _, _ := r.page(t, path); status != http.StatusNotFound {
			t.Errorf("%s answers %d; want 404", path, status)
		}
	}
	if status, _, _ := r.page(t, "/", "If-None-Match", header.Get("Etag")); status != http.StatusNotModified {
		t.Errorf("the same again answers %d; want 304", status)
	}
}

func TestASlashAfterAPageRedirectsToThePage(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Console.Enabled = true })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.HTTPAddr().String()+"/try/?method=/a.B/C", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if location := response.Header.Get("Location"); response.StatusCode != http.StatusMovedPermanently || location != "/try?method=/a.B/C" {
		t.Errorf("%d %q; want 301 to /try?method=/a.B/C", response.StatusCode, location)
	}
}

func TestUnknownPathsAnswerBrowsersWithThePage(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Console.Enabled = true })
	_, at, index := r.page(t, "/")
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, path := range []string{"/nothing", "/sessions/more", "/assets/", "/assets/index-gone.js", "/ostiary.nothing.v1.NoService/Method"} {
		status, header, body := r.page(t, path, "Accept", browser, "Accept-Encoding", "gzip", "If-None-Match", at.Get("Etag"))
		if status != http.StatusNotFound || body != index {
			t.Errorf("%s answers a browser %d, %s; want 404 and the page", path, status, body)
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Content-Type", "Cache-Control"} {
			if got, want := header.Get(name), at.Get(name); got != want {
				t.Errorf("%s has %s %q; want %q, as everywhere", path, name, got, want)
			}
		}
		for _, accept := range []string{"*/*", "application/json", "text/html;q=0", ""} {
			if status, _, body := r.page(t, path, "Accept", accept); status != http.StatusNotFound || body != "404 page not found\n" {
				t.Errorf("%s answers %d, %q where %q is accepted; want a short 404", path, status, body, accept)
			}
		}
	}
	// A method that there is not is a matter of its service.
	for path, want := range map[string]int{
		"/nothing": http.StatusNotFound,
		"/ostiary.identity.v1.IdentityService/Nothing": http.StatusNotFound,
		"/ostiary.identity.v1.IdentityService/WhoAmI":  http.StatusUnauthorized,
	} {
		status, header, _ := r.send(t, http.MethodPost, path, map[string]string{"Accept": browser, "Content-Type": "application/json"}, "")
		if got := header.Get("Content-Security-Policy"); status != want || got != "" {
			t.Errorf("a call of %s is answered %d, policy %q; want %d and no page", path, status, got, want)
		}
	}
}

func TestTheConsolesFilesAreCompressedIfTheClientAcceptsGzip(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Console.Enabled = true })
	_, _, plain := r.page(t, "/")
	_, script, _ := strings.Cut(plain, `src="`)
	script, _, _ = strings.Cut(script, `"`)
	_, header, whole := r.page(t, script)
	if header.Get("Content-Encoding") != "" || header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%s has %v; want it plain, and to keep for ever", script, header)
	}
	for _, coding := range []string{"gzip", "br, gzip;q=0.5", "deflate, GZIP"} {
		if _, header, body := r.page(t, script, "Accept-Encoding", coding); header.Get("Content-Encoding") != "gzip" || body != whole {
			t.Errorf("Accept-Encoding %q: %v; want the same, compressed", coding, header)
		}
	}
	for _, coding := range []string{"br", "gzip;q=0", "identity"} {
		if _, header, _ := r.page(t, script, "Accept-Encoding", coding); header.Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding %q: %v; want it plain", coding, header)
		}
	}
	if status, _, body := r.page(t, script, "Range", "bytes=0-9"); status != http.StatusOK || body != whole {
		t.Errorf("a part of it answers %d; want all of it", status)
	}
}

func TestTheConsolesPolicyAllowsClerkOnlyWhereItIsConfigured(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Console.Enabled, c.Version = true, "v1.2.3" })
	const strict = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
		"style-src 'self'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	if _, header, _ := r.page(t, "/"); header.Get("Content-Security-Policy") != strict {
		t.Errorf("policy %s\nwant   %s", header.Get("Content-Security-Policy"), strict)
	}
	if _, _, config := r.page(t, "/console/config.json"); config != `{"version":"v1.2.3","personas":false}` {
		t.Errorf("config.json is %s", config)
	}

	r = start(t, func(c *settings.Config) {
		c.Version, c.Console = "v1.2.3", settings.Console{Enabled: true, PublishableKey: clerkKey}
	})
	_, header, _ := r.page(t, "/")
	for _, want := range []string{"script-src 'self' https://clerk.example.com ", "connect-src 'self' https://clerk.example.com ", "default-src 'none'"} {
		if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, want) || strings.Contains(policy, "unsafe-eval") {
			t.Errorf("policy %s\nwant %s in it", policy, want)
		}
	}
	const want = `{"version":"v1.2.3","personas":false,"clerk":{"publishableKey":"` + clerkKey + `","frontendApi":"https://clerk.example.com"}}`
	if _, _, config := r.page(t, "/console/config.json"); config != want {
		t.Errorf("config.json is %s", config)
	}
}
