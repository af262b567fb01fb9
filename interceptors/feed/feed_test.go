package feed

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

func TestFaultsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*Config)
		says   []string
	}{
		"nothing is set":             {func(c *Config) { *c = Config{} }, []string{"set Hubs", "set TokenSource", "set Service"}},
		"a hub without a host":       {func(c *Config) { c.Hubs = []string{"ostiary.internal"} }, []string{"a URL of Hubs cannot be used"}},
		"a hub that is no URL":       {func(c *Config) { c.Hubs = []string{"https://ostiary.internal", "https://[x"} }, []string{"a URL of Hubs cannot be used"}},
		"a hub with a password":      {func(c *Config) { c.Hubs = []string{"https://user:hunter2@ostiary.internal"} }, []string{"a URL of Hubs cannot be used"}},
		"a hub with a query":         {func(c *Config) { c.Hubs = []string{"https://ostiary.internal?x=y"} }, []string{"a URL of Hubs cannot be used"}},
		"a hub in plaintext":         {func(c *Config) { c.Hubs = []string{"http://ostiary.internal"} }, []string{"refuse to send a token to the hub ostiary.internal in plaintext"}},
		"a hub of another scheme":    {func(c *Config) { c.Hubs = []string{"grpc://ostiary.internal"} }, []string{`the scheme "grpc"`}},
		"a service with a space":     {func(c *Config) { c.Service = "my service" }, []string{"visible ASCII"}},
		"a service with a long name": {func(c *Config) { c.Service = strings.Repeat("x", maxName+1) }, []string{"more than 253"}},
		"a negative retention":       {func(c *Config) { c.Retention = -1 }, []string{"Retention is negative"}},
		"an age that is never met":   {func(c *Config) { c.MaxStale = minMaxStale - 1 }, []string{"MaxStale is 4.999999999s"}},
		"a snapshot without its directory": {func(c *Config) {
			c.Snapshot = filepath.Join(t.TempDir(), "missing", "revocations")
		}, []string{"its directory does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Config{Hubs: []string{"https://ostiary.internal"}, TokenSource: new(freshTokens), Service: "billing"}
			row.change(&config)
			_, err := Follow(config)
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, says := range row.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v; want %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v shows a password", err)
			}
		})
	}
}

func TestWhatIsConfiguredWell(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"the least":                          func(*Config) {},
		"a service with the longest name":    func(c *Config) { c.Service = strings.Repeat("x", maxName) },
		"plaintext on this machine":          func(c *Config) { c.Hubs = []string{"http://localhost:8080/", "http://[::1]:8080"} },
		"plaintext where that is allowed":    func(c *Config) { c.Hubs, c.InsecureAllowPlaintext = []string{"http://ostiary.internal"}, true },
		"the least age":                      func(c *Config) { c.MaxStale = minMaxStale },
		"a snapshot that does not exist yet": func(c *Config) { c.Snapshot = filepath.Join(t.TempDir(), "revocations") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Config{Hubs: []string{"https://ostiary.internal"}, TokenSource: new(freshTokens), Service: "billing"}
			change(&config)
			if _, err := config.withDefaults(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlaintextIsSentWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		if s := follower.Status(); !s.Ready || fleet.hubs[0].tokens[0] != "Bearer "+secret {
			t.Errorf("Status = %+v, with %q", s, fleet.hubs[0].tokens)
		}
	}, func(c *Config) { c.Hubs, c.InsecureAllowPlaintext = []string{"http://hub-1.internal"}, true })
}

// newTLSHub starts a hub that listens on a port, with TLS.
func newTLSHub(t testing.TB) (*hub, *httptest.Server) {
	t.Helper()
	h := &hub{epoch: "e1", news: make(chan struct{})}
	_, handler := feedv1connect.NewFeedServiceHandler(h)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.set(func() { h.protocol = r.Proto })
		handler.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return h, server
}

func TestFollowingOverTLS(t *testing.T) {
	t.Parallel()
	hub, server := newTLSHub(t)
	hub.revoke("sess_1")
	follower, err := Follow(Config{
		Hubs: []string{server.URL + "/"}, TokenSource: authclient.StaticToken(secret), Service: "billing", Transport: server.Client().Transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close() //nolint:errcheck // it is always nil
	if err := follower.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertRevoked(t, follower, "sess_1")
	assertAdmitted(t, follower, "sess_2")
	if hub.protocol != "HTTP/2.0" {
		t.Errorf("followed over %s", hub.protocol)
	}
	changed := make(chan struct{}, 1)
	follower.Watch(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	hub.revoke("sess_2")
	for follower.Revoked(&auth.Identity{Issuer: issuer, SessionID: "sess_2"}) == nil {
		<-changed
	}
}

func TestATokenThatCannotBeHadIsNoFaultOfTheHub(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, fleet *fleet, follower *Follower) {
		pass(time.Minute)
		if s := follower.Status(); s.Ready || !strings.Contains(s.LastError, "get a token to follow with") {
			t.Errorf("Status = %+v", s)
		}
		assertReason(t, follower, "sess_1", auth.RevocationsStale)
		assertAsked(t, fleet.hubs[0])
	}, func(c *Config) { c.TokenSource = failing{} })
}

type failing struct{ authclient.StaticToken }

func (failing) Token(context.Context) (string, error) { return "", errors.New("the issuer is gone") }
