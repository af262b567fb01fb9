package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
)

// TestSignOutAtHydra signs out at an Ory Hydra 2.3 with SQLite, which the variable HYDRA
// names. Its logout tokens have neither sub nor exp, so access tokens must have sid: the
// consent page adds it.
func TestSignOutAtHydra(t *testing.T) {
	t.Parallel()
	program := os.Getenv("HYDRA")
	if program == "" {
		t.Skip("set HYDRA to the path of hydra")
	}
	g := newGuarded(t)
	public, admin := freeAddress(t), freeAddress(t)
	issuer := "http://" + public
	pages := httptest.NewServer(hydraPages(t, "http://"+admin))
	t.Cleanup(pages.Close)
	settings := filepath.Join(t.TempDir(), "hydra.json")
	write(t, settings, map[string]any{
		"dsn":        "memory",
		"serve":      map[string]any{"public": hydraAddress(public), "admin": hydraAddress(admin)},
		"strategies": map[string]any{"access_token": "jwt"},
		"secrets":    map[string]any{"system": []string{"not a secret, but long"}},
		"urls": map[string]any{
			"self":  map[string]any{"issuer": issuer},
			"login": pages.URL + "/login", "consent": pages.URL + "/consent", "logout": pages.URL + "/logout",
			"error": pages.URL + "/error", "post_logout_redirect": pages.URL + "/done",
		},
	})
	startAt(t, exec.CommandContext(t.Context(), program, "serve", "all", "--dev", "--sqa-opt-out", "--config", settings), "http://"+admin+"/health/ready")
	created := hydraCall(t, http.MethodPost, "http://"+admin+"/admin/clients", map[string]any{
		"client_id": "web", "client_secret": "not a secret", "redirect_uris": []string{callback}, "token_endpoint_auth_method": "client_secret_post",
		"scope": "openid", "audience": []string{"https://api.example.com"}, "backchannel_logout_uri": g.logout, "backchannel_logout_session_required": true,
	})
	if created["client_id"] != "web" {
		t.Fatalf("the client was not created: %v", created)
	}
	// Hydra makes its keys when they are first asked for, and that takes seconds.
	hydraCall(t, http.MethodGet, issuer+"/.well-known/jwks.json", nil)
	g.trust(t, token.Issuer{URL: issuer, Profile: token.Hydra(), Audiences: []string{"https://api.example.com"}},
		signals.LogoutIssuer{ClientIDs: []string{"web"}, SessionsInTokens: true})
	g.endStreams(t, realIssuer{signIn: func(t *testing.T, user string) (string, func()) {
		t.Helper()
		b := newBrowser(t)
		_, page := b.get(issuer + "/oauth2/auth" + authorize("openid", user) + "&audience=" + url.QueryEscape("https://api.example.com"))
		access, id := b.tokens(issuer+"/oauth2/token", page)
		return access, func() { b.get(issuer + "/oauth2/sessions/logout?id_token_hint=" + id) }
	}})
}

func hydraAddress(address string) map[string]any {
	u, err := url.Parse("http://" + address)
	if err != nil {
		panic(err)
	}
	return map[string]any{"host": u.Hostname(), "port": json.RawMessage(u.Port())}
}

// hydraPages are the login, consent and logout pages, which Hydra does not have itself. They
// sign in the user of login_hint, and agree to everything.
func hydraPages(t *testing.T, admin string) http.Handler {
	t.Helper()
	requests := admin + "/admin/oauth2/auth/requests/"
	accept := func(w http.ResponseWriter, r *http.Request, kind string, answer map[string]any) {
		query := "?" + kind + "_challenge=" + url.QueryEscape(r.FormValue(kind+"_challenge"))
		accepted := hydraCall(t, http.MethodPut, requests+kind+"/accept"+query, answer)
		http.Redirect(w, r, fmt.Sprint(accepted["redirect_to"]), http.StatusFound)
	}
	asked := func(r *http.Request, kind string) map[string]any {
		return hydraCall(t, http.MethodGet, requests+kind+"?"+kind+"_challenge="+url.QueryEscape(r.FormValue(kind+"_challenge")), nil)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		about, _ := asked(r, "login")["oidc_context"].(map[string]any)
		accept(w, r, "login", map[string]any{"subject": about["login_hint"], "remember": true})
	})
	mux.HandleFunc("/consent", func(w http.ResponseWriter, r *http.Request) {
		request := asked(r, "consent")
		accept(w, r, "consent", map[string]any{
			"grant_scope": request["requested_scope"], "grant_access_token_audience": request["requested_access_token_audience"],
			"session": map[string]any{"access_token": map[string]any{"sid": request["login_session_id"]}},
		})
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) { accept(w, r, "logout", nil) })
	mux.HandleFunc("/done", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/error", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.URL.RawQuery, http.StatusInternalServerError)
	})
	return mux
}

// hydraCall calls the API of Hydra's admins. It runs in handlers, so it does not end the test.
func hydraCall(t *testing.T, method, target string, body map[string]any) (answer map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Error(err)
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(text))
	if err != nil {
		t.Error(err)
		return nil
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Errorf("%s %s: %s, %v: %v", method, target, res.Status, answer, err)
	}
	return answer
}
