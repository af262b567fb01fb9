package authclient_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// A program calls a service in its own name.
func ExampleClientCredentials() {
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("requested:", r.PostFormValue("grant_type"), "for", r.PostFormValue("audience"))
		issue(w, map[string]any{"access_token": "token-of-billing", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer login.Close()

	source, err := authclient.ClientCredentials(authclient.TokenEndpoint{
		URL:          login.URL + "/oauth/token",
		ClientID:     "billing",
		ClientSecret: "from the environment",
	}, authclient.TokenTarget{Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	// connectauth.WithToken(api, source) and grpcauth.Credentials(source) ask it for each call.
	for range 2 {
		token, err := source.Token(context.Background())
		fmt.Println(token, err)
	}
	// Output:
	// requested: client_credentials for https://api.example.com
	// token-of-billing <nil>
	// token-of-billing <nil>
}

// A handler calls another service in its caller's name, with a token that is for that
// service alone.
func ExampleExchangeCaller() {
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("exchanged:", r.PostFormValue("subject_token"), "for", r.PostFormValue("audience"))
		issue(w, map[string]any{
			"access_token": "invoices-of-" + r.PostFormValue("subject_token"), "token_type": "Bearer", "expires_in": 300,
			"issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
		})
	}))
	defer login.Close()

	source, err := authclient.ExchangeCaller(authclient.TokenEndpoint{
		URL:          login.URL + "/token",
		ClientID:     "orders",
		ClientSecret: "from the environment",
	}, authclient.TokenTarget{Audience: "invoices"})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := func(ctx context.Context) { // the client of the other service does this
		token, err := source.Token(ctx)
		fmt.Println(token, err)
	}
	for _, caller := range []string{"ada", "bob", "ada"} {
		handler(callFrom(caller))
	}
	// Output:
	// exchanged: ada for invoices
	// invoices-of-ada <nil>
	// exchanged: bob for invoices
	// invoices-of-bob <nil>
	// invoices-of-ada <nil>
}

// A handler calls another service of ours with the token of its caller.
func ExampleRelayCaller() {
	source := authclient.RelayCaller()
	handler := func(ctx context.Context) { // the client of the other service does this
		token, err := source.Token(ctx)
		fmt.Println(token, err)
	}
	handler(callFrom("ada"))
	handler(context.Background())
	// Output:
	// ada <nil>
	//  no caller to relay: the context is not that of an authenticated call
}

// callFrom returns the context that a guard gives the handler of a call with this token.
func callFrom(token string) context.Context {
	guard := &auth.Guard{Authenticator: admitting{}, Policy: admitting{}}
	ctx, err := guard.Admit(context.Background(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		panic(err)
	}
	return ctx
}
