package jwks

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

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

// TestRetriesBackOff up to the patience, each a little early.
func TestRetriesBackOff(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		ready  bool
		delays []int // in milliseconds
	}{
		"with keys":    {true, []int{100, 200, 400, 800, 1500, 1500, 1500}},
		"without keys": {false, []int{100, 200, 400, 800, 800, 800, 800}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.refusing.Store(!row.ready)
				keys := issuer.remote(t)
				synctest.Wait()
				if row.ready {
					issuer.refusing.Store(true)
					pass(time.Until(keys.Status().NextFetch))
				}
				for i, milliseconds := range row.delays {
					delay := time.Duration(milliseconds) * time.Millisecond
					due := time.Until(keys.Status().NextFetch)
					if due < delay/2 || due >= delay {
						t.Errorf("after failure %d the next fetch is in %v, want from half of %v to less than it", i+1, due, delay)
					}
					if s := keys.Status(); s.Failures != i+1 {
						t.Errorf("%d failures, want %d", s.Failures, i+1)
					}
					pass(due)
				}
			})
		})
	}
}

// TestASnapshotStoreThatFails takes no key away, and is logged.
func TestASnapshotStoreThatFails(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "keys.json")
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := newRemote(t, RemoteConfig{
			URL: issuer.url, Client: issuer.client, Snapshot: path,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		synctest.Wait()
		if err := os.RemoveAll(directory); err != nil {
			t.Fatal(err)
		}
		issuer.publish(t, "first", "second")
		pass(15 * time.Minute)
		for _, kid := range []string{"first", "second"} {
			if err := lookup(t, keys, kid); err != nil {
				t.Errorf("%s: %v", kid, err)
			}
		}
		if s := keys.Status(); s.Failures != 0 || !s.Ready {
			t.Errorf("the store counts as the issuer: %+v", s)
		}
		if err := os.Mkdir(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(15 * time.Minute)
		if content, err := os.ReadFile(path); err != nil || !bytes.Contains(content, []byte("second")) {
			t.Errorf("once it can be written again: %s, %v", content, err)
		}
		if err := keys.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if strings.Count(log.String(), "cannot be written") != 1 || !strings.Contains(log.String(), path) {
		t.Errorf("the log does not say once that %s cannot be written:\n%s", path, &log)
	}
}

func TestASnapshotAtTheLimits(t *testing.T) {
	t.Parallel()
	key, err := json.Marshal(publicJWK(t, "first", edKey(t).Public()))
	if err != nil {
		t.Fatal(err)
	}
	const limit = 512
	saved := func(at string, length int) string {
		s := `{"source":"http://localhost/.well-known/jwks.json","fetched_at":"` + at + `","keys":[` + string(key) + `]}`
		return s[:len(s)-1] + strings.Repeat(" ", length-len(s)) + "}"
	}
	for _, row := range []struct {
		name    string
		content string
		want    bool
	}{
		{"written just now", saved("2000-01-01T00:00:00Z", 400), true},
		{"a nanosecond from the future", saved("2000-01-01T00:00:00.000000001Z", 400), false},
		{"a nanosecond younger than MaxStale", saved("1999-12-31T00:00:00.000000001Z", 400), true},
		{"as old as MaxStale", saved("1999-12-31T00:00:00Z", 400), false},
		{"as long as it may be", saved("2000-01-01T00:00:00Z", 2*limit), true},
		{"a byte longer", saved("2000-01-01T00:00:00Z", 2*limit+1), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, row.content)
			synctest.Test(t, func(t *testing.T) {
				issuer := newBubble(t)
				issuer.refusing.Store(true)
				keys := newRemote(t, RemoteConfig{URL: issuer.url, Client: issuer.client, Snapshot: path, MaxBytes: limit})
				if keys.Ready() != row.want {
					t.Errorf("ready %v, want %v", keys.Ready(), row.want)
				}
			})
		})
	}
}
