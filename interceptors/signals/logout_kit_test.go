package signals_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
)

const (
	issuerURL   = "https://sso.example.com"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	form        = "application/x-www-form-urlencoded"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

func clock() time.Time { return now }

var sharedKey, strangersKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *authtest.Key { return authtest.NewKey("RS256") }

func newIssuer(url string) *authtest.Issuer {
	issuer := authtest.New(url, authtest.WithNow(clock))
	issuer.Publish(sharedKey())
	return issuer
}

// trusted is what the verifiers of the tests know of an issuer.
func trusted(t testing.TB, url string) token.Issuer {
	t.Helper()
	key, err := jwks.NewKey(sharedKey().ID(), sharedKey().Public(), sharedKey().Algorithm())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwks.NewStatic(key)
	if err != nil {
		t.Fatal(err)
	}
	return token.Issuer{URL: url, Keys: keys, AllowAnyAudience: true}
}

func newVerifier(t testing.TB, issuers ...token.Issuer) *token.Verifier {
	t.Helper()
	v, err := token.New(token.Config{Issuers: issuers, CacheEntries: -1, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A recorder is a Sink that keeps the messages.
type recorder struct {
	mu       sync.Mutex
	messages []signals.Message
	err      error
}

func (r *recorder) Revoke(_ context.Context, m signals.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.messages = append(r.messages, m)
	}
	return r.err
}

// receiverFor returns a receiver for the client web of the issuer, and what it revokes.
func receiverFor(t testing.TB, issuer token.Issuer, sessions bool) (*signals.Receiver, *recorder) {
	t.Helper()
	sink := new(recorder)
	receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{
		Verifier: newVerifier(t, issuer),
		Issuers:  []signals.LogoutIssuer{{URL: issuer.URL, ClientIDs: []string{"web", "app"}, SessionsInTokens: sessions}},
		Sink:     sink,
		Now:      clock,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return receiver, sink
}

// logoutToken is a good one, but for its edits.
func logoutToken(issuer *authtest.Issuer, edits ...authtest.Edit) string {
	return issuer.OIDC("user_ada", append([]authtest.Edit{
		authtest.Header("typ", "logout+jwt"), authtest.With("jti", "msg_1"), authtest.With("aud", "web"), authtest.With("sid", "sess_1"),
		authtest.ExpiresIn(2 * time.Minute), authtest.Without("nbf"), authtest.With("events", map[string]any{logoutEvent: map[string]any{}}),
	}, edits...)...)
}

func post(t testing.TB, receiver http.Handler, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signals/backchannel-logout", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	receiver.ServeHTTP(w, r)
	return w
}

func send(t testing.TB, receiver http.Handler, logoutToken string) *httptest.ResponseRecorder {
	t.Helper()
	return post(t, receiver, form, url.Values{"logout_token": {logoutToken}}.Encode())
}
