package jwks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ostiary/ostiary/interceptors/jwks"
)

func ExampleNewRemote() {
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ins_1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	defer issuer.Close()

	keys, err := jwks.NewRemote(jwks.RemoteConfig{
		URL:        issuer.URL + "/.well-known/jwks.json",
		MaxRefresh: 5 * time.Minute, // a removed key stops verifying within this
		MaxStale:   6 * time.Hour,   // an outage of the issuer may last this long
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = keys.Close() }()

	found, err := keys.Lookup(context.Background(), jwks.Hint{KeyID: "ins_1", Algorithm: "EdDSA"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(found[0].ID(), found[0].Algorithms(), keys.Ready())
	// Output: ins_1 [EdDSA] true
}

func ExampleParsePEM() {
	keys, err := jwks.ParsePEM([]byte(`
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----`))
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := keys.Lookup(context.Background(), jwks.Hint{KeyID: "any kid", Algorithm: "ES256"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(found[0].Algorithms(), found[0].Verify("ES256", []byte("header.payload"), []byte("forged")))
	// Output: [ES256] the signature does not match
}
