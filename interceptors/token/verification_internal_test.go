package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// Memory that waits to be used again must not hold what a token was made of.
func TestNothingOfATokenIsKeptInMemoryForTheNext(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwks.NewKey("k", public, "")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwks.NewStatic(key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Config{Issuers: []Issuer{{URL: "https://issuer.test", Keys: keys, AllowAnyAudience: true}}, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	var used []*verification
	v.verifications.New = func() any {
		used = append(used, new(verification))
		return used[len(used)-1]
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := func(header, payload string) string {
		input := encode([]byte(header)) + "." + encode([]byte(payload))
		return input + "." + encode(ed25519.Sign(private, []byte(input)))
	}
	const header, claims = `{"alg":"EdDSA","kid":"k"}`, `{"iss":"https://issuer.test","sub":"ada","iat":1800000000,"exp":1800000060}`
	if _, err := v.Verify(t.Context(), signed(header, claims)); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), signed(header, `{"iss":"https://issuer.test","sub":7}`)); err == nil {
		t.Error("a subject that is no string is accepted")
	}
	if _, err := v.Verify(t.Context(), "a.b.c"); auth.AsError(err).Reason != auth.TokenMalformed {
		t.Errorf("%v; want %v", err, auth.TokenMalformed)
	}
	if _, err := v.VerifyMessage(t.Context(), signed(header, claims)); err != nil {
		t.Error(err)
	}
	if len(used) == 0 {
		t.Fatal("nothing was verified in memory of the pool")
	}
	for _, left := range used {
		if !reflect.ValueOf(left).Elem().IsZero() {
			t.Errorf("left in memory: %+v", left)
		}
	}
}
