package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/settings"
)

// TestTheMetadataOfTheServerIsPublic asks as a client does that has no token yet: it
// is refused, and follows the challenge.
func TestTheMetadataOfTheServerIsPublic(t *testing.T) {
	t.Parallel()
	const procedure = identityv1connect.IdentityServiceWhoAmIProcedure
	r := start(t, func(c *settings.Config) {
		c.ResourceURL = "https://api.example.com/v1"
		c.CORS.AllowedOrigins = []string{"https://app.example.com"}
		c.Rules = []policy.Option{policy.Override(procedure, &policyv1.Rule{Access: &policyv1.Rule_Require{
			Require: &policyv1.Require{AllScopes: []string{"profile", "email"}},
		}})}
	})
	_, refused := r.browse(t, http.MethodPost, map[string]string{"Content-Type": "application/json"})
	const want = `Bearer scope="profile email", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1"`
	if got := refused.Get("WWW-Authenticate"); got != want {
		t.Errorf("WWW-Authenticate %q; want %q", got, want)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource/v1", "/.well-known/oauth-protected-resource"} {
		status, header, body := r.send(t, http.MethodGet, path, map[string]string{"Origin": "https://inspector.example.net"}, "")
		var document struct {
			Resource             string   `json:"resource"`
			AuthorizationServers []string `json:"authorization_servers"`
			Scopes               []string `json:"scopes_supported"`
			Methods              []string `json:"bearer_methods_supported"`
		}
		if err := json.Unmarshal([]byte(body), &document); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, status, err)
		}
		if document.Resource != "https://api.example.com/v1" || !slices.Equal(document.AuthorizationServers, []string{r.issuer.URL()}) ||
			!slices.Equal(document.Scopes, []string{"email", "profile"}) || !slices.Equal(document.Methods, []string{"header"}) {
			t.Errorf("%s: %+v", path, document)
		}
		if got := header.Values("Access-Control-Allow-Origin"); !slices.Equal(got, []string{"*"}) {
			t.Errorf("%s: allowed origins %q; want any", path, got)
		}
	}
	if status, _, _ := r.send(t, http.MethodOptions, "/.well-known/oauth-protected-resource/v1", preflight("https://inspector.example.net"), ""); status != http.StatusNoContent {
		t.Errorf("preflight: %d", status)
	}
	if status, _, _ := r.send(t, http.MethodGet, "/.well-known/oauth-protected-resource/v2", nil, ""); status != http.StatusNotFound {
		t.Errorf("another resource: %d; want 404", status)
	}
}

func TestWithoutAResourceNothingIsPublished(t *testing.T) {
	t.Parallel()
	r := start(t)
	if status, _, _ := r.send(t, http.MethodGet, "/.well-known/oauth-protected-resource", nil, ""); status != http.StatusNotFound {
		t.Errorf("%d; want 404", status)
	}
	_, refused := r.browse(t, http.MethodPost, map[string]string{"Content-Type": "application/json"})
	if got := refused.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate %q", got)
	}
}
