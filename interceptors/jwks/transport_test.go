package jwks

import (
	"net/http"
	"net/http/httptest"
	"strings"
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
		key, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
		if err != nil {
			t.Fatal(err)
		}
		pass(48 * time.Hour) // twice MaxStale
		if unchanged == 0 {
			t.Error("no request had If-None-Match")
		}
		if again, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"}); err != nil || again != key || !key.Live() {
			t.Errorf("an answer of 304 did not keep the key: %v", err)
		}
	})
}

func TestTheRequestSaysWhatItWants(t *testing.T) {
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
	keys := newRemote(t, RemoteConfig{URL: server.URL, Client: server.Client()})
	if err := lookup(t, keys, "first"); err == nil || !strings.Contains(err.Error(), "another origin") {
		t.Errorf("%v, want a refused redirect", err)
	}
}

// TestTheClientsPolicyIsNotTaken: a client brings its transport, and no other
// idea of redirects and time-outs.
func TestTheClientsPolicyIsNotTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		issuer.client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		issuer.client.Timeout = time.Nanosecond
		keys := issuer.remote(t)
		if err := lookup(t, keys, "first"); err != nil {
			t.Errorf("the time-out was taken: %v", err)
		}
		issuer.answerWith(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://other.example/", http.StatusFound)
		})
		_ = lookup(t, keys, "second")
		if s := keys.Status(); !strings.Contains(s.LastError, "another origin") {
			t.Errorf("the redirect policy was taken: %q", s.LastError)
		}
	})
}
