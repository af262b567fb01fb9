package jwks

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// guarded publishes keys only to those who bring the token.
func (is *issuer) guarded(t *testing.T, token string, names ...string) http.HandlerFunc {
	t.Helper()
	set := is.setOf(t, names...)
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		set(w, r)
	}
}

func TestTheTokenFileIsReadAtEachFetch(t *testing.T) {
	t.Parallel()
	issuer := newServer(t)
	issuer.answerWith(issuer.guarded(t, "!first.token~", "first"))
	path := writeFile(t, "\n !first.token~\n")
	keys := newRemote(t, RemoteConfig{URL: issuer.url, TokenFile: path})
	if err := lookup(t, keys, "first"); err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, "second.token")
	issuer.answerWith(issuer.guarded(t, "second.token", "second"))
	if err := lookup(t, keys, "second"); err != nil {
		t.Errorf("after the token was replaced: %v", err)
	}
}

// TestAFaultyTokenFileIsAnOutage: the keys stay in use, and nothing of the token is
// shown.
func TestAFaultyTokenFileIsAnOutage(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"is empty":         "",
		"is blank":         " \n",
		"has two":          "secret other",
		"has two lines":    "secret\nother",
		"has a control":    "secret\x00",
		"is no ASCII":      "secretü",
		"ends with DEL":    "secret\x7f",
		"is a megabyte":    strings.Repeat("secret", maxFileBytes/6+1),
		"has a CR in it":   "secret\rother",
		"has a header too": "secret\r\nX-Other: 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := newServer(t)
			path := writeFile(t, "good")
			keys := newRemote(t, RemoteConfig{URL: issuer.url, TokenFile: path})
			if err := lookup(t, keys, "first"); err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, content)
			before := issuer.requests.Load()
			err := lookup(t, keys, "second")
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "TokenFile") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want ErrUnavailable and the file, without its content", err)
			}
			if issuer.requests.Load() != before {
				t.Error("the request was sent all the same")
			}
			if err := lookup(t, keys, "first"); err != nil {
				t.Error("a known key:", err)
			}
			if _, err := NewRemote(RemoteConfig{URL: issuer.url, TokenFile: path}); err == nil || !strings.Contains(err.Error(), "TokenFile") {
				t.Errorf("at start: %v, want a fault", err)
			}
		})
	}
}

func TestATokenOfTheLongestFileIsSent(t *testing.T) {
	t.Parallel()
	token := "t" + strings.Repeat(" ", maxFileBytes-1)
	if got, err := readToken(writeFile(t, token)); got != "t" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := readToken(writeFile(t, token+" ")); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v, want a file that is too long", err)
	}
}

// TestTheTokenStaysWithItsOrigin: neither a discovery document nor a redirect
// brings it elsewhere.
func TestTheTokenStaysWithItsOrigin(t *testing.T) {
	t.Parallel()
	elsewhere := newServer(t)
	seen := make(chan string, 10)
	set := elsewhere.setOf(t, "first")
	elsewhere.answerWith(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		set(w, r)
	})
	home := newIssuer(t)
	server := httptest.NewServer(home)
	t.Cleanup(server.Close)
	var asked []string
	home.answerWith(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			body(`{"issuer":"`+server.URL+`","jwks_uri":"`+elsewhere.url+`"}`)(w, r)
		case "/away":
			http.Redirect(w, r, elsewhere.url, http.StatusFound)
		case "/near":
			http.Redirect(w, r, "/keys", http.StatusFound)
		default:
			home.setOf(t, "first")(w, r)
		}
	})
	token := writeFile(t, "secret")

	if err := lookup(t, newRemote(t, RemoteConfig{Issuer: server.URL, TokenFile: token}), "first"); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "" {
		t.Errorf("the other origin got %q", got)
	}
	err := lookup(t, newRemote(t, RemoteConfig{URL: server.URL + "/away", TokenFile: token}), "first")
	if err == nil || !strings.Contains(err.Error(), "another origin") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v, want a refused redirect", err)
	}
	if len(seen) > 0 {
		t.Error("the redirect was followed")
	}
	if err := lookup(t, newRemote(t, RemoteConfig{URL: server.URL + "/near", TokenFile: token}), "first"); err != nil {
		t.Fatal(err)
	}
	want := "/.well-known/openid-configuration Bearer secret; /away Bearer secret; /near Bearer secret; /keys Bearer secret"
	if got := strings.Join(asked, "; "); got != want {
		t.Errorf("asked %q\nwant  %q", got, want)
	}
}

func TestTheCAFileIsReadAtEachFetch(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t)
	server := httptest.NewTLSServer(issuer)
	t.Cleanup(server.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	path := writeFile(t, "# our own\n"+certificate)
	keys := newRemote(t, RemoteConfig{URL: server.URL, CAFile: path})
	if err := lookup(t, keys, "first"); err != nil {
		t.Fatal(err)
	}
	if err := lookup(t, newRemote(t, RemoteConfig{URL: server.URL}), "first"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the file: %v, want an unknown authority", err)
	}
	overwrite(t, path, "")
	issuer.publish(t, "first", "second")
	if err := lookup(t, keys, "second"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("with an empty file: %v, want ErrUnavailable", err)
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"https://Issuer.example/keys?a=b": "https://issuer.example:443",
		"https://issuer.example:443":      "https://issuer.example:443",
		"http://issuer.example/":          "http://issuer.example:80",
		"https://issuer.example:80":       "https://issuer.example:80",
		"https://[::1]:8443/x":            "https://[::1]:8443",
		"https://issuer.example:%zz":      "",
	} {
		if got := (RemoteConfig{URL: source}).origin(); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}
