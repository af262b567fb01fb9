package signals_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
)

func ExampleNewBackChannelLogout() {
	issuer := authtest.New("https://sso.example.com")
	keys, _ := jwks.ParsePEM(issuer.PublicPEM()) // in a server: jwks.NewRemote
	verifier, _ := token.New(token.Config{Issuers: []token.Issuer{{
		URL: "https://sso.example.com", Keys: keys, Audiences: []string{"invoices"},
	}}})

	list := revocation.New(revocation.Config{}) // the guard's Revocations
	logout, err := signals.NewBackChannelLogout(signals.LogoutConfig{
		Verifier: verifier, // the guard's Authenticator
		Issuers:  []signals.LogoutIssuer{{URL: "https://sso.example.com", ClientIDs: []string{"web"}}},
		Sink:     signals.ToList(list),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /signals/backchannel-logout", logout)

	// Ada signs out at the issuer.
	form := url.Values{"logout_token": {issuer.OIDC("user_ada",
		authtest.Header("typ", "logout+jwt"), authtest.With("aud", "web"), authtest.With("jti", "1"),
		authtest.With("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}))}}
	r := httptest.NewRequest(http.MethodPost, "/signals/backchannel-logout", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, list.Len())
	// Output: 200 1
}
