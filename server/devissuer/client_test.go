package devissuer_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/devissuer"
)

func TestMintPassesEverythingOn(t *testing.T) {
	t.Parallel()
	url := start(t)
	token, err := devissuer.Mint(t.Context(), url+"/", devissuer.Request{
		As:     "cleo",
		TTL:    90 * time.Second,
		Claims: map[string]json.RawMessage{"plan": json.RawMessage(`{"name":"pro"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := read(t, url, token)
	hasClaims(t, claims, map[string]any{"sub": "user_cleo", "plan": map[string]any{"name": "pro"}})
	if got := unix(claims["exp"]).Sub(unix(claims["iat"])); got != 90*time.Second {
		t.Errorf("lives %s, want 1m30s", got)
	}
}

func TestMintFails(t *testing.T) {
	t.Parallel()
	url := start(t)
	stopped := httptest.NewServer(http.NotFoundHandler())
	stopped.Close()
	other := answering(t, http.StatusNotFound, "404 page not found")
	json404 := answering(t, http.StatusNotFound, `{"code":"unimplemented"}`)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		server  string
		request devissuer.Request
		err     error
		text    string // empty when it does not matter
	}{
		{
			name:   "nobody listens",
			server: stopped.URL,
			err:    devissuer.ErrNotRunning,
			text:   stopped.URL + ": no server is running: start it with: ostiary dev",
		},
		{
			name:   "the server is another one",
			server: other,
			err:    devissuer.ErrNoIssuer,
			text:   other + " answers 404 Not Found: this server has no development issuer: only the one of ostiary dev mints tokens",
		},
		{
			name:   "the server is another one that answers JSON",
			server: json404,
			err:    devissuer.ErrNoIssuer,
			text:   json404 + " answers 404 Not Found: this server has no development issuer: only the one of ostiary dev mints tokens",
		},
		{
			name:    "the persona is unknown",
			server:  url,
			request: devissuer.Request{As: "eve"},
			err:     devissuer.ErrRefused,
			text:    `the development issuer refuses: unknown persona "eve": use one of ada, ben, cleo, olga, robo`,
		},
		{
			name:    "the lifetime is negative",
			server:  url,
			request: devissuer.Request{As: "ada", TTL: -time.Second},
			err:     devissuer.ErrRefused,
			text:    `the development issuer refuses: ttl "-1s": use a duration from 1s to 24h0m0s, such as 1h or 90s`,
		},
		{
			name:   "the caller gives up, which says nothing of the server",
			ctx:    cancelled,
			server: stopped.URL,
			err:    context.Canceled,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			token, err := devissuer.Mint(ctx, test.server, test.request)
			if !errors.Is(err, test.err) || token != "" {
				t.Fatalf("token %q, error %v, want %v", token, err, test.err)
			}
			if test.text != "" && err.Error() != test.text {
				t.Errorf("error %q, want %q", err, test.text)
			}
		})
	}
}

// answering starts a server that always answers the same.
func answering(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}
