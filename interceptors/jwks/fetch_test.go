package jwks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCacheControlCountsWithinTheBounds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		header []string
		want   time.Duration
	}{
		{"nothing said is the most", nil, 15 * time.Minute},
		{"max-age within the bounds", []string{"public, max-age=300"}, 5 * time.Minute},
		{"max-age in quotes and capitals", []string{`Max-Age="120"`}, 2 * time.Minute},
		{"max-age below the bounds", []string{"max-age=1"}, time.Minute},
		{"max-age above the bounds", []string{"max-age=86400"}, 15 * time.Minute},
		{"max-age beyond any number", []string{"max-age=99999999999999999999"}, 15 * time.Minute},
		{"max-age that is no number", []string{"max-age=soon"}, 15 * time.Minute},
		{"a negative max-age", []string{"max-age=-1"}, 15 * time.Minute},
		{"no-cache", []string{"max-age=600, no-cache"}, time.Minute},
		{"no-store in a header of its own", []string{"max-age=600", "no-store"}, time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				set := issuer.setOf(t, "first")
				issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
					w.Header()["Cache-Control"] = row.header
					set(w, r)
				})
				keys := issuer.remote(t)
				synctest.Wait()
				due := time.Until(keys.Status().NextFetch)
				if due < row.want*4/5 || due > row.want*19/20 {
					t.Errorf("next fetch in %v, want 80 to 95 %% of %v", due, row.want)
				}
				pass(row.want * 19 / 20)
				if n := issuer.requests.Load(); n != 2 {
					t.Errorf("%d fetches, want 2", n)
				}
			})
		})
	}
}

func TestAnUnchangedSetIsNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		set := issuer.setOf(t, "first")
		unchanged := 0
		issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") == `"v1"` {
				unchanged++
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("ETag", `"v1"`)
			set(w, r)
		})
		keys := issuer.remote(t)
		key := mustFind(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
		pass(48 * time.Hour) // twice MaxStale
		if unchanged == 0 {
			t.Error("no request had If-None-Match")
		}
		if again, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"}); err != nil || again != key || !key.Live() {
			t.Errorf("an answer of 304 did not keep the key: %v", err)
		}
	})
}

func TestTheRequestHasItsHeaders(t *testing.T) {
	t.Parallel()
	issuer := newServer(t)
	headers := make(chan http.Header, 1)
	set := issuer.setOf(t, "first")
	issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "tracking", Value: "1"})
		headers <- r.Header
		set(w, r)
	})
	keys := newRemote(t, RemoteConfig{URL: issuer.url})
	header := <-headers
	for name, want := range map[string]string{
		"User-Agent":    "ostiary",
		"Accept":        "application/jwk-set+json, application/json",
		"Authorization": "",
		"If-None-Match": "",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	_ = lookup(t, keys, "unknown")
	if cookie := (<-headers).Get("Cookie"); cookie != "" {
		t.Errorf("cookie %q was sent", cookie)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := newServer(t)
	for _, row := range []struct {
		name    string
		target  string // from the path /start
		refused string // empty where it is followed
	}{
		{"within the origin", "/jwks.json", ""},
		{"three within the origin", "/hop?left=2", ""},
		{"four within the origin", "/hop?left=3", "more than 3 redirects"},
		{"to another port", elsewhere.url, "another origin"},
		{"to another host", strings.Replace(elsewhere.url, "127.0.0.1", "localhost", 1), "another origin"},
		{"to another scheme", "https://SELF/jwks.json", "another origin"},
		{"with a user name added", "http://me:secret@SELF/jwks.json", "a user name"},
		{"to a file", "file:///etc/hostname", "another origin"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer(t)
			set := issuer.setOf(t, "first")
			issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/start":
					http.Redirect(w, r, strings.Replace(row.target, "SELF", r.Host, 1), http.StatusFound)
				case r.URL.Query().Get("left") == "3":
					http.Redirect(w, r, "/hop?left=2", http.StatusMovedPermanently)
				case r.URL.Query().Get("left") == "2":
					http.Redirect(w, r, "/hop?left=1", http.StatusTemporaryRedirect)
				case r.URL.Query().Get("left") == "1":
					http.Redirect(w, r, "/jwks.json", http.StatusPermanentRedirect)
				default:
					set(w, r)
				}
			})
			server := httptest.NewServer(issuer)
			t.Cleanup(server.Close)
			keys := newRemote(t, RemoteConfig{URL: server.URL + "/start"})
			err := lookup(t, keys, "first")
			switch {
			case row.refused == "" && err != nil:
				t.Errorf("not followed: %v", err)
			case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
				t.Errorf("%v, want %q", err, row.refused)
			}
		})
	}
	if n := elsewhere.requests.Load(); n != 0 {
		t.Errorf("%d requests reached another origin", n)
	}
}

func TestRedirectsNeverLeaveHTTPS(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t)
	issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/jwks.json", http.StatusFound)
	})
	server := httptest.NewTLSServer(issuer)
	t.Cleanup(server.Close)
	keys := newRemote(t, RemoteConfig{URL: server.URL, Transport: server.Client().Transport})
	if err := lookup(t, keys, "first"); err == nil || !strings.Contains(err.Error(), "another origin") {
		t.Errorf("%v, want a refused redirect", err)
	}
}

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
	keys := newRemote(t, RemoteConfig{Issuer: server.URL, Transport: server.Client().Transport})
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
	if err := lookup(t, newRemote(t, RemoteConfig{Issuer: server.URL, Transport: server.Client().Transport}), "first"); err != nil {
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
		f := fetcher{config: RemoteConfig{Issuer: row.issuer, InsecureAllowPlaintext: row.insecure}}
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

func TestLimitsOfADocument(t *testing.T) {
	t.Parallel()
	one := string(keySet(t, publicJWK(t, "first", edKey(t).Public())))
	many := func(n int) string {
		keys := make([]jwk, n)
		for i := range keys {
			keys[i] = jwk{"kty": "none", "kid": "bad"}
		}
		keys[n-1] = publicJWK(t, "first", edKey(t).Public()) // the last counts like the first
		return string(keySet(t, keys...))
	}
	for _, row := range []struct {
		name   string
		config RemoteConfig
		body   string
		says   string // empty where it is read
	}{
		{"as long as it may be", RemoteConfig{MaxBytes: int64(len(one))}, one, ""},
		{"a byte longer", RemoteConfig{MaxBytes: int64(len(one))}, one + " ", "longer than " + strconv.Itoa(len(one)) + " bytes"},
		{"as long as it may be by default", RemoteConfig{}, one + strings.Repeat(" ", 256<<10-len(one)), ""},
		{"a byte longer than the default", RemoteConfig{}, one + strings.Repeat(" ", 256<<10-len(one)+1), "longer than 262144 bytes"},
		{"as many keys as it may have", RemoteConfig{MaxKeys: 3}, many(3), ""},
		{"a key more", RemoteConfig{MaxKeys: 3}, many(4), "4 keys, and at most 3"},
		{"as many keys as by default", RemoteConfig{}, many(100), ""},
		{"a key more than the default", RemoteConfig{}, many(101), "101 keys, and at most 100"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			issuer := newServer(t)
			issuer.answerWith(body(row.body))
			row.config.URL = issuer.url
			_, err := findOne(t, newRemote(t, row.config), Hint{KeyID: "first", Algorithm: "EdDSA"})
			switch {
			case row.says == "" && err != nil:
				t.Error(err)
			case row.says != "" && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), row.says)):
				t.Errorf("%v, want %q", err, row.says)
			}
		})
	}
}

func TestAHeaderWithoutEndIsNotRead(t *testing.T) {
	t.Parallel()
	issuer := newServer(t)
	set := issuer.setOf(t, "first")
	issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
		set(w, r)
	})
	if err := lookup(t, newRemote(t, RemoteConfig{URL: issuer.url}), "first"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

func TestEachFetchHasAConnectionOfItsOwn(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t)
	server := httptest.NewUnstartedServer(issuer)
	var connections atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	keys := newRemote(t, RemoteConfig{URL: server.URL})
	if err := lookup(t, keys, "first"); err != nil {
		t.Fatal(err)
	}
	_ = lookup(t, keys, "stray")
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}
