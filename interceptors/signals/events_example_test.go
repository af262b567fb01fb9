package signals_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// A transmitter says that a session is over, and the guard refuses its tokens.
func ExampleSecurityEvents() {
	transmitter := authtest.New("https://idp.example.com")
	// In a program: jwks.NewRemote, with the jwks_uri of the transmitter's metadata.
	keys, err := jwks.ParsePEM(transmitter.PublicPEM())
	if err != nil {
		panic(err)
	}
	list := revocation.New(revocation.Config{}) // the guard's
	events, err := signals.SecurityEvents(signals.SecurityEventsConfig{
		Transmitter:     "https://idp.example.com",
		Keys:            keys,
		Audiences:       []string{"https://api.example.com"},
		Issuers:         []signals.EventIssuer{{URL: "https://idp.example.com", SessionsInTokens: true}},
		CredentialTypes: []string{"password"},
		Authorizations:  []string{"Bearer 8qx0kfbvYb3mF1Zz"}, // what the transmitter was given
		Sink:            signals.ToList(list),
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /signals/idp", events)

	request := httptest.NewRequest(http.MethodPost, "/signals/idp", strings.NewReader(transmitter.Sign(
		[]byte(`{"alg":"RS256","typ":"secevent+jwt"}`),
		[]byte(`{"iss":"https://idp.example.com","jti":"1","iat":1780000000,"aud":"https://api.example.com",
			"sub_id":{"format":"complex","session":{"format":"opaque","id":"session_ada"}},
			"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}}`),
	)))
	request.Header.Set("Content-Type", "application/secevent+jwt")
	request.Header.Set("Authorization", "Bearer 8qx0kfbvYb3mF1Zz")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code)
	reason, _ := auth.ReasonOf(list.Revoked(&auth.Identity{Issuer: "https://idp.example.com", SessionID: "session_ada"}))
	fmt.Println(reason)
	// Output:
	// 202
	// TOKEN_REVOKED
}
