package server

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// One issuer signs all of them, with one key, for the same audience: each is taken for what
// it is, and for nothing else.
func TestATokenHasOnePurpose(t *testing.T) {
	t.Parallel()
	r := start(t, withLogout, func(c *settings.Config) {
		c.Signals = []settings.SignalSource{{Name: "idp", Kind: settings.SignalEvents, Audiences: []string{"sp"}, SessionsInTokens: true, AllowUntyped: true}}
	})
	const api, logout, event, nowhere = "the API", "/signals/backchannel-logout", "/signals/idp", ""
	session := r.issuer.Session("user_ada", authtest.With("sid", "ada-2"))
	audience := authtest.With("aud", []string{"web", "sp", "api"})
	ended := map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	revoked := map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{}}
	logoutToken := func(edits ...authtest.Edit) string {
		return r.issuer.OIDC("user_ada", append([]authtest.Edit{
			audience, authtest.With("sid", "ada-1"), authtest.With("jti", "1"), authtest.With("events", ended), authtest.ExpiresIn(time.Hour), authtest.Without("nbf"),
		}, edits...)...)
	}
	eventToken := func(edits ...authtest.Edit) string {
		return r.issuer.OIDC("user_ada", append([]authtest.Edit{
			audience, authtest.With("jti", "1"), authtest.With("events", revoked), authtest.Without("sub"), authtest.Without("exp"), authtest.Without("nbf"),
			authtest.With("sub_id", map[string]string{"format": "iss_sub", "iss": r.issuer.URL(), "sub": "user_nobody"}),
		}, edits...)...)
	}
	both := authtest.With("events", map[string]any{
		"http://schemas.openid.net/event/backchannel-logout":                  map[string]any{},
		"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{},
	})
	typ := func(typ string) authtest.Edit { return authtest.Header("typ", typ) }
	credential := authtest.With("scope", "openid")
	for name, test := range map[string]struct{ token, purpose string }{
		"a session":                             {session, api},
		"an ID token":                           {r.issuer.OIDC("user_ada", audience, authtest.With("nonce", "n"), authtest.With("sid", "ada-2"), authtest.ExpiresIn(time.Hour)), nowhere},
		"a logout token":                        {logoutToken(typ("logout+jwt")), logout},
		"a logout token, as Keycloak types it":  {logoutToken(typ("JWT"), authtest.With("typ", "Logout")), logout},
		"a logout token without a type":         {logoutToken(authtest.WithoutHeader("typ")), logout},
		"a logout token in capital letters":     {logoutToken(typ("LOGOUT+JWT")), logout},
		"a logout token with its whole type":    {logoutToken(typ("application/logout+jwt")), logout},
		"a logout token of an access token":     {logoutToken(typ("at+jwt")), nowhere},
		"a logout token of an event":            {logoutToken(typ("secevent+jwt")), nowhere},
		"a logout token that would be one, too": {logoutToken(typ("JWT"), credential, authtest.With("client_id", "web")), nowhere},
		"an event":                              {eventToken(typ("secevent+jwt")), event},
		"an event without a type":               {eventToken(authtest.WithoutHeader("typ")), event},
		"an event of a logout token":            {eventToken(typ("logout+jwt")), nowhere},
		"an event of an access token":           {eventToken(typ("at+jwt")), nowhere},
		"an event with a subject that expires":  {eventToken(typ("secevent+jwt"), authtest.With("sub", "user_ada"), authtest.ExpiresIn(time.Hour)), nowhere},
		"an event and a logout token, by type":  {logoutToken(typ("secevent+jwt"), both), nowhere},
		"a session of an event's type":          {r.issuer.Session("user_ada", typ("secevent+jwt")), nowhere},
		"a session of a logout token's type":    {r.issuer.Session("user_ada", typ("logout+jwt")), nowhere},
		"a session with an event":               {r.issuer.Session("user_ada", audience, authtest.With("events", revoked)), nowhere},
	} {
		for path, contentType := range map[string]string{logout: "application/x-www-form-urlencoded", event: "application/secevent+jwt"} {
			body, want := test.token, http.StatusBadRequest
			if path == logout {
				body = url.Values{"logout_token": {test.token}}.Encode()
			}
			if path == test.purpose {
				want = map[string]int{logout: http.StatusOK, event: http.StatusAccepted}[path]
			}
			if status, _, answer := r.send(t, http.MethodPost, path, map[string]string{"Content-Type": contentType}, body); status != want {
				t.Errorf("%s at %s: %d %s; want %d", name, path, status, answer, want)
			}
		}
		if test.purpose != api {
			_, err := r.native(t.Context(), t, test.token)
			if reason, ok := reasonOf(err); !ok || reason != auth.TokenKindUnsupported {
				t.Errorf("%s as a credential: %v; want TOKEN_KIND_UNSUPPORTED", name, err)
			}
		}
	}
	r.wantAdmitted(t, "the session", session)
}
