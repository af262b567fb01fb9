package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// The owner of one of the issuers ends nothing at another, and takes no message of that one
// away by having sent one of its name before.
func TestAnIssuerEndsNothingAtAnother(t *testing.T) {
	t.Parallel()
	other := authtest.Start(t)
	r := start(t, withLogout, func(c *settings.Config) {
		c.Issuers = append(c.Issuers, settings.Issuer{URL: other.URL(), AllowAnyAudience: true, BackChannelLogout: c.Issuers[0].BackChannelLogout})
		c.Signals = []settings.SignalSource{{Name: "idp", Kind: settings.SignalEvents, Issuer: other.URL(), Audiences: []string{"sp"}, SessionsInTokens: true}}
	})
	token := r.cast()["ada-1"]
	logout := func(edits ...authtest.Edit) string {
		return url.Values{"logout_token": {other.OIDC("user_ada", append([]authtest.Edit{
			authtest.Header("typ", "logout+jwt"), authtest.With("jti", "msg_1"), authtest.With("aud", "web"), authtest.With("sid", "ada-1"), authtest.Without("nbf"),
			authtest.ExpiresIn(time.Hour), authtest.With("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
		}, edits...)...)}}.Encode()
	}
	const form, event = "application/x-www-form-urlencoded", "application/secevent+jwt"
	for name, test := range map[string]struct {
		path, contentType, body string
		want                    int
	}{
		"a logout token with the name of the other": {"/signals/backchannel-logout", form, logout(authtest.With("iss", r.issuer.URL())), http.StatusBadRequest},
		"one with its own name, for the same user":  {"/signals/backchannel-logout", form, logout(), http.StatusOK},
		"an event of a user of the other":           {"/signals/idp", event, securityEvent(other, r.issuer.URL(), "ada-1"), http.StatusBadRequest},
		"an event of the same session of its own":   {"/signals/idp", event, securityEvent(other, other.URL(), "ada-1"), http.StatusAccepted},
		"an event with the name of the other":       {"/signals/idp", event, securityEvent(r.issuer.Issuer, r.issuer.URL(), "ada-1"), http.StatusBadRequest},
	} {
		if status, _, answer := r.send(t, http.MethodPost, test.path, map[string]string{"Content-Type": test.contentType}, test.body); status != test.want {
			t.Errorf("%s: %d %s; want %d", name, status, answer, test.want)
		}
	}
	r.wantAdmitted(t, "the session at the other", token)
	if got := r.logout(t); got != http.StatusOK {
		t.Errorf("a logout token of its own issuer, with a jti that was there before: %d; want 200", got)
	}
	r.wantReason(t, "the session", token, auth.TokenRevoked)
	if log := r.log.String(); strings.Contains(log, "eyJ") {
		t.Error("the log has part of a token")
	}
}
