package signals_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// FuzzLogout looks for a body that is accepted though it is not the good one, and for one
// that is answered with more than 400 as if it were our fault.
func FuzzLogout(f *testing.F) {
	issuer := newIssuer(issuerURL)
	good := logoutToken(issuer)
	parts := strings.Split(good, ".")
	f.Add("logout_token=" + good)
	f.Add("logout_token=" + good + "&logout_token=" + good)
	f.Add("logout_token=" + good + "&x=1")
	f.Add("logout_token=" + logoutToken(issuer, authtest.Without("events")))
	f.Add("logout_token=" + logoutToken(issuer, authtest.With("nonce", "n")))
	f.Add("logout_token=" + strings.Join(parts[:2], ".") + ".")
	f.Add("logout_token=" + parts[1] + "." + parts[0] + "." + parts[2])
	f.Add("logout_token=" + strings.Repeat(".", 1000))
	f.Add("logout_token=%00&%")
	f.Add("&;=%ff")
	f.Fuzz(func(t *testing.T, body string) {
		receiver, sink := receiverFor(t, trusted(t, issuerURL), true)
		w := post(t, receiver, form, body)
		switch {
		case w.Code == http.StatusOK:
			values, err := url.ParseQuery(body)
			if err != nil || !slices.Equal(values["logout_token"], []string{good}) || len(sink.messages) != 1 {
				t.Errorf("accepted %q", body)
			}
		case w.Code != http.StatusBadRequest || len(sink.messages) > 0:
			t.Errorf("answered %d to %q, stored %d", w.Code, body, len(sink.messages))
		}
	})
}

// FuzzLogoutClaims looks for claims, signed by the issuer, that are taken for a logout
// although they are not, by a reading that shares no code with the receiver.
func FuzzLogoutClaims(f *testing.F) {
	issuer := newIssuer(issuerURL)
	head := []byte(`{"alg":"RS256","kid":"` + sharedKey().ID() + `","typ":"logout+jwt"}`)
	f.Add(`{"iss":"https://sso.example.com","aud":"web","iat":1772366400,"exp":1772366500,"jti":"1","sub":"a","events":{"` + logoutEvent + `":{}}}`)
	f.Add(`{"iss":"https://sso.example.com","aud":["x","web"],"iat":1772366400,"jti":"1","sid":"a","events":{"` + logoutEvent + `":{"a":[]}}}`)
	f.Add(`{"iss":"https://sso.example.com","aud":"web","iat":1772366400,"jti":"1","sub":"a","nonce":null,"events":{"` + logoutEvent + `":{}}}`)
	f.Add(`{"iss":"https://sso.example.com","aud":"web","iat":1e9,"jti":"1","sub":"a","events":{"` + logoutEvent + `":[]}}`)
	f.Add(`{"iss":"https://sso.example.com","aud":"web","iat":1772366400,"jti":"1","sub":"a","events":{}}`)
	f.Add(`{"iss":"https://sso.example.com","aud":"web","iat":1772366400,"jti":"1","events":{"` + logoutEvent + `":{}}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		receiver, sink := receiverFor(t, trusted(t, issuerURL), true)
		w := send(t, receiver, issuer.Sign(head, []byte(payload)))
		if w.Code == http.StatusBadRequest && len(sink.messages) == 0 {
			return
		}
		var claims struct {
			Iss, Jti, Sub, Sid string
			Iat                *float64
			Events             map[string]json.RawMessage
			Aud                any
			Nonce              json.RawMessage
		}
		err := json.Unmarshal([]byte(payload), &claims)
		aud, _ := claims.Aud.([]any)
		if !slices.Contains(append(aud, claims.Aud), any("web")) && !slices.Contains(append(aud, claims.Aud), any("app")) ||
			err != nil || claims.Iss != issuerURL || claims.Jti == "" || claims.Iat == nil || claims.Sub+claims.Sid == "" ||
			claims.Nonce != nil || !bytes.HasPrefix(bytes.TrimSpace(claims.Events[logoutEvent]), []byte("{")) {
			t.Errorf("answered %d to %s: %v", w.Code, payload, err)
		}
	})
}
