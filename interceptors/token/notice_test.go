package token_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// An unreadable claim of a valid token is logged once a minute for each issuer, without
// its value.
func TestNotices(t *testing.T) {
	t.Parallel()
	h := newHand()
	one := issuerAt("https://one.example", h.now)
	two := issuerAt("https://two.example", h.now)
	var log bytes.Buffer
	v, err := token.New(token.Config{Now: h.now, Logger: slog.New(slog.NewTextHandler(&log, nil)), Issuers: []token.Issuer{
		{URL: one.URL(), Keys: keysOf(t, one), AllowAnyAudience: true},
		{URL: two.URL(), Keys: keysOf(t, two), AllowAnyAudience: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	odd := func(issuer *authtest.Issuer, claim string) string {
		return issuer.OIDC("ada", authtest.With(claim, map[string]string{"x": "secret-value"}), authtest.ExpiresIn(time.Hour))
	}
	lines := func(want int, what string) {
		t.Helper()
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("%s: %d lines, want %d:\n%s", what, got, want, log.String())
		}
	}
	expect(t, v, odd(one, "roles"), pass)
	lines(1, "the first")
	expect(t, v, odd(one, "roles"), pass)
	lines(1, "another token")
	expect(t, v, odd(one, "permissions"), pass)
	lines(2, "another claim")
	expect(t, v, odd(two, "roles"), pass)
	lines(3, "another issuer")
	h.advance(time.Minute - time.Nanosecond)
	expect(t, v, odd(one, "roles"), pass)
	lines(3, "within the minute")
	h.advance(time.Nanosecond)
	expect(t, v, odd(one, "roles"), pass)
	lines(4, "after the minute")
	expect(t, v, one.OIDC("ada", authtest.With("groups", 7), authtest.SignedBy(authtest.NewKey("RS256").WithID(one.Key().ID()))), auth.SignatureInvalid)
	expect(t, v, one.OIDC("ada", authtest.With("groups", 7), authtest.With("aud", 7)), auth.ClaimInvalid)
	lines(4, "tokens that are refused")
	if strings.Contains(log.String(), "secret-value") {
		t.Errorf("the log has the claim's value: %s", log.String())
	}
	if !strings.Contains(log.String(), "issuer=https://two.example claim=roles") {
		t.Errorf("the log does not name issuer and claim: %s", log.String())
	}
}

// A tenant of Auth0 chooses the names of its claims, so names in the log are short and
// few.
func TestNoticesAreBounded(t *testing.T) {
	t.Parallel()
	h := newHand()
	issuer := h.issuer()
	var log bytes.Buffer
	v := verifierAt(t, h, keysOf(t, issuer), func(c *token.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Issuers[0].Profile = token.Auth0()
	})
	odd := func(n int) string {
		name := fmt.Sprintf("https://%03d.example.com/%s/roles", n, strings.Repeat("x", 1000))
		return issuer.OIDC("ada", authtest.With(name, 7), authtest.ExpiresIn(time.Hour))
	}
	for n := range 101 {
		expect(t, v, odd(n), pass)
	}
	if got := strings.Count(log.String(), "\n"); got != 100 {
		t.Errorf("%d lines, want 100", got)
	}
	if got := strings.Count(log.String(), "x"); got > 100*100 {
		t.Errorf("%d bytes of the names", got)
	}
	h.advance(time.Minute)
	expect(t, v, odd(102), pass)
	if !strings.Contains(log.String(), "claim=https://102.example.com/x") {
		t.Error("nothing more is logged after a minute")
	}
}

// A verifier without a logger warns by slog.Default, and works.
func TestNoticesWithoutALogger(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.OIDC() })
	if id := expect(t, v, issuer.OIDC("ada", authtest.With("roles", 7)), pass); len(id.Roles) != 0 {
		t.Errorf("roles %q", id.Roles)
	}
}
