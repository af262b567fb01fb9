package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

const document = `"authorization_servers":["https://clerk.example.com"],"scopes_supported":["email","files:read"],"bearer_methods_supported":["header"]}`

func TestResourceMetadata(t *testing.T) {
	t.Parallel()
	for resource, test := range map[string]struct {
		url    string
		served []string
		not    []string
	}{
		"https://api.example.com": {
			url:    "https://api.example.com/.well-known/oauth-protected-resource",
			served: []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/"},
			not:    []string{"/.well-known/oauth-protected-resource/v1"},
		},
		"https://api.example.com/": {
			url:    "https://api.example.com/.well-known/oauth-protected-resource",
			served: []string{"/.well-known/oauth-protected-resource"},
		},
		"https://api.example.com:8443/tenant/v1/": {
			url: "https://api.example.com:8443/.well-known/oauth-protected-resource/tenant/v1",
			served: []string{
				"/.well-known/oauth-protected-resource/tenant/v1", "/.well-known/oauth-protected-resource/tenant/v1/",
				"/.well-known/oauth-protected-resource",
			},
			not: []string{"/.well-known/oauth-protected-resource/tenant", "/.well-known/oauth-protected-resource/tenant/v1/x"},
		},
		"http://localhost:8080": {
			url:    "http://localhost:8080/.well-known/oauth-protected-resource",
			served: []string{"/.well-known/oauth-protected-resource"},
		},
		"http://[::1]:8080": {
			url:    "http://[::1]:8080/.well-known/oauth-protected-resource",
			served: []string{"/.well-known/oauth-protected-resource"},
		},
	} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			url, handler, err := httpauth.ResourceMetadata{
				Resource: resource, AuthorizationServers: []string{"https://clerk.example.com"}, Scopes: []string{"email", "files:read"},
			}.Handler()
			if err != nil || url != test.url {
				t.Fatalf("URL %q, %v; want %q", url, err, test.url)
			}
			for _, path := range test.served {
				res := answerOf(handler, http.MethodGet, path)
				want := `{"resource":"` + resource + `",` + document
				if res.Code != http.StatusOK || res.Body.String() != want {
					t.Errorf("%s: %d %s; want %s", path, res.Code, res.Body, want)
				}
				for name, value := range map[string]string{
					"Content-Type": "application/json", "Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
				} {
					if got := res.Header().Get(name); got != value {
						t.Errorf("%s: %s %q; want %q", path, name, got, value)
					}
				}
			}
			for _, path := range test.not {
				if res := answerOf(handler, http.MethodGet, path); res.Code != http.StatusNotFound {
					t.Errorf("%s: %d; want 404", path, res.Code)
				}
			}
		})
	}
}

func answerOf(handler http.Handler, method, path string) *httptest.ResponseRecorder {
	res := httptest.NewRecorder()
	handler.ServeHTTP(res, httptest.NewRequest(method, path, http.NoBody))
	return res
}

func TestResourceMetadataIsReadOnly(t *testing.T) {
	t.Parallel()
	_, handler, err := httpauth.ResourceMetadata{Resource: "https://api.example.com"}.Handler()
	if err != nil {
		t.Fatal(err)
	}
	const path = "/.well-known/oauth-protected-resource"
	if res := answerOf(handler, http.MethodGet, path); res.Body.String() != `{"resource":"https://api.example.com","bearer_methods_supported":["header"]}` {
		t.Errorf("%s", res.Body)
	}
	preflight := answerOf(handler, http.MethodOptions, path)
	if preflight.Code != http.StatusNoContent || preflight.Header().Get("Access-Control-Allow-Headers") != "*" {
		t.Errorf("preflight: %d %v", preflight.Code, preflight.Header())
	}
	if res := answerOf(handler, http.MethodPost, path); res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("POST: %d %v", res.Code, res.Header())
	}
}

func TestAResourceIsAnHTTPSURL(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{
		"", "api.example.com", "https://", "https:api.example.com", "http://api.example.com", "ftp://api.example.com", "urn:api",
		"https://api.example.com/?a=b", "https://api.example.com/?", "https://api.example.com/#a", "https://api.example.com/#",
		"https://user@api.example.com", "https://[::1", "https:///path",
	} {
		if url, _, err := (httpauth.ResourceMetadata{Resource: resource}).Handler(); err == nil {
			t.Errorf("%q was accepted as %s", resource, url)
		}
	}
}

// TestAHandlersOwnRefusalNamesTheMetadata as the guard's refusals do.
func TestAHandlersOwnRefusalNamesTheMetadata(t *testing.T) {
	t.Parallel()
	guard := newGuard(nil)
	guard.ResourceMetadata = "https://api.example.com/.well-known/oauth-protected-resource"
	server := newServer(t, httpauth.Protect(guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpauth.Error(w, &auth.Error{Reason: auth.ScopeRequired, Demand: &auth.Demand{Scopes: []string{"files:write"}}})
	})))
	got := do(t, server, http.MethodGet, "/", "Bearer "+guardtest.GoodToken)
	const want = `Bearer error="insufficient_scope", error_description="SCOPE_REQUIRED", scope="files:write", ` +
		`resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`
	if got.status != http.StatusForbidden || got.header.Get("WWW-Authenticate") != want {
		t.Errorf("%d %q; want 403 %q", got.status, got.header.Get("WWW-Authenticate"), want)
	}
}
