package jwks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		issuer   string // after the server's own address
		document string // SELF is the server's own address
		says     string // empty where the keys are found
	}{
		{"an issuer at the root", "", `{"issuer":"SELF","jwks_uri":"SELF/keys"}`, ""},
		{"an issuer with a path", "/realms/r", `{"issuer":"SELF/realms/r","jwks_uri":"SELF/keys"}`, ""},
		{"an issuer that ends in a slash", "/", `{"issuer":"SELF/","jwks_uri":"SELF/keys"}`, ""},
		{"a document with a byte order mark", "", "\ufeff" + `{"issuer":"SELF","jwks_uri":"SELF/keys"}`, ""},
		{"another issuer", "", `{"issuer":"https://evil.example","jwks_uri":"SELF/keys"}`, `of issuer "https://evil.example"`},
		{"the issuer with a slash too many", "", `{"issuer":"SELF/","jwks_uri":"SELF/keys"}`, "exactly alike"},
		{"the issuer in capitals", "", `{"ISSUER":"SELF","jwks_uri":"SELF/keys"}`, `of issuer ""`},
		{"an issuer that is no string", "", `{"issuer":["SELF"],"jwks_uri":"SELF/keys"}`, `"issuer" is not a string`},
		{"no key set", "", `{"issuer":"SELF"}`, "absolute URL"},
		{"a key set that is no string", "", `{"issuer":"SELF","jwks_uri":7}`, `"jwks_uri" is not a string`},
		{"a key set in the clear", "", `{"issuer":"SELF","jwks_uri":"http://keys.example/"}`, "use https"},
		{"a key set in a file", "", `{"issuer":"SELF","jwks_uri":"file:///etc/keys"}`, "absolute URL"},
		{"HTML", "", "<html>", "not one JSON object"},
		{"trailing garbage", "", `{"issuer":"SELF","jwks_uri":"SELF/keys"}}`, "not one JSON object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer(t)
			set := issuer.setOf(t, "first")
			server := httptest.NewServer(issuer)
			t.Cleanup(server.Close)
			issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case strings.TrimSuffix(row.issuer, "/") + "/.well-known/openid-configuration":
					fmt.Fprint(w, strings.ReplaceAll(row.document, "SELF", server.URL))
				case "/keys":
					set(w, r)
				default:
					http.NotFound(w, r)
				}
			})
			keys := newRemote(t, RemoteConfig{Issuer: server.URL + row.issuer})
			err := lookup(t, keys, "first")
			switch {
			case row.says == "" && err != nil:
				t.Error(err)
			case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
				t.Errorf("%v, want %q", err, row.says)
			}
		})
	}
}

func TestDiscoveryOfAnHTTPSIssuerStaysWithHTTPS(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t)
	server := httptest.NewTLSServer(issuer)
	t.Cleanup(server.Close)
	issuer.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"http://127.0.0.1/keys"}`, server.URL)
	})
	keys := newRemote(t, RemoteConfig{Issuer: server.URL, Client: server.Client()})
	if err := lookup(t, keys, "first"); err == nil || !strings.Contains(err.Error(), "over https") {
		t.Errorf("%v, want a refused jwks_uri", err)
	}
}

func TestDiscoveryOfAnHTTPSIssuerWithASchemeInCapitals(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t)
	set := issuer.setOf(t, "first")
	server := httptest.NewTLSServer(issuer)
	t.Cleanup(server.Close)
	issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			set(w, r)
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, "HTTPS"+strings.TrimPrefix(server.URL, "https")+"/keys")
	})
	if err := lookup(t, newRemote(t, RemoteConfig{Issuer: server.URL, Client: server.Client()}), "first"); err != nil {
		t.Error(err)
	}
}

func TestDiscoveryWithinAPrivateNetwork(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		issuer, keys string
		insecure     bool
		refused      string
	}{
		{"http://keycloak:8080", "http://keycloak:8080/certs", true, ""},
		{"http://keycloak:8080", "https://keycloak/certs", true, ""},
		{"http://127.0.0.1", "http://keycloak:8080/certs", false, "use https"},
		{"https://keycloak", "http://keycloak:8080/certs", true, "over https"},
		{"https://keycloak", "https://keys.example/certs", false, ""},
	} {
		f := fetcher{config: RemoteConfig{Issuer: row.issuer, InsecureHTTP: row.insecure}}
		err := f.checkKeysURL(row.keys)
		if (err == nil) != (row.refused == "") || err != nil && !strings.Contains(err.Error(), row.refused) {
			t.Errorf("%s of %s: %v, want %q", row.keys, row.issuer, err, row.refused)
		}
	}
}

// TestAMovedKeySetIsFollowed: the version of the set at the old place says
// nothing about the new one.
func TestAMovedKeySetIsFollowed(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t)
	old, renewed := issuer.setOf(t, "first"), issuer.setOf(t, "second")
	server := httptest.NewServer(issuer)
	t.Cleanup(server.Close)
	moved := false
	issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		switch {
		case r.URL.Path == "/old":
			old(w, r)
		case r.URL.Path == "/new" && r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		case r.URL.Path == "/new":
			renewed(w, r)
		case moved:
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, server.URL+"/new")
		default:
			moved = true
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, server.URL+"/old")
		}
	})
	keys := newRemote(t, RemoteConfig{Issuer: server.URL})
	for _, kid := range []string{"first", "second"} {
		if err := lookup(t, keys, kid); err != nil {
			t.Errorf("%s: %v", kid, err)
		}
	}
}
