package jwks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDiscoverReturnsTheDocumentOfTheIssuer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, document string
		says           string // empty where there is no error
	}{
		{"its own", `{"issuer":"SELF","token_endpoint":"SELF/token"}`, ""},
		{"with a byte order mark", "\ufeff" + `{"issuer":"SELF"}`, ""},
		{"another's", `{"issuer":"https://evil.example","token_endpoint":"https://evil.example/token"}`, "exactly alike"},
		{"nobody's", `{}`, "exactly alike"},
		{"no JSON", `<html>`, "not one JSON object"},
		{"too long", `{"issuer":"SELF","x":"` + strings.Repeat("x", 1<<20) + `"}`, "is longer than"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, strings.ReplaceAll(row.document, "SELF", server.URL))
			}))
			t.Cleanup(server.Close)
			// Where the keys are does not matter.
			document, err := RemoteConfig{Issuer: server.URL, URL: "https://keys.example"}.Discover(t.Context())
			if row.says == "" && (err != nil || string(document) != strings.TrimPrefix(strings.ReplaceAll(row.document, "SELF", server.URL), "\ufeff")) {
				t.Errorf("%s, %v; want the document", document, err)
			}
			if row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("%s, %v; want %q", document, err, row.says)
			}
		})
	}
	if _, err := (RemoteConfig{Issuer: "http://issuer.example"}).Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "use https") {
		t.Errorf("an issuer in the clear: %v", err)
	}
}
