package unverified

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/token"
)

// jwt is a token that nobody signed.
func jwt(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + ".c2ln"
}

func TestIdentityIsReadAsOfATimeAtWhichTheTokenWasValid(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]string{
		"expired long ago":            `"iat":1000000000,"exp":1000000060`,
		"issued far in the future":    `"iat":99000000000,"exp":99000000060`,
		"valid from, and no issue":    `"nbf":1000000000,"exp":1000000060`,
		"valid from after its issue":  `"iat":1000000000,"nbf":1000003600,"exp":1000003660`,
		"valid from before its issue": `"iat":1000000000,"nbf":999999990,"exp":1000000060`,
		"with fractions":              `"iat":1000000000.25,"nbf":1000000000.75,"exp":1000000060.5`,
		"an expiry alone":             `"exp":1000000060`,
		"for a hundred years":         `"iat":0,"exp":3153600000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := Parse(jwt(`{"iss":"https://accounts.example.com","sub":"user_ada",` + times + `}`))
			if err != nil {
				t.Fatal(err)
			}
			id, err := parsed.Identity(t.Context(), token.OIDC())
			if err != nil || id.Subject != "user_ada" || id.Issuer != "https://accounts.example.com" {
				t.Errorf("%v, %v; want user_ada", id, err)
			}
		})
	}
}

func TestIdentityOfATokenThatNoServerAcceptsIsAnError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ claims, want string }{
		"no issuer":             {`{"sub":"user_ada","exp":1000000060}`, "cannot read the token: "},
		"no subject":            {`{"iss":"https://a.example","exp":1000000060}`, "CLAIM_MISSING"},
		"no expiry":             {`{"iss":"https://a.example","sub":"user_ada"}`, "CLAIM_MISSING"},
		"a time that is text":   {`{"iss":"https://a.example","sub":"user_ada","iat":"now","exp":1000000060}`, "CLAIM_INVALID"},
		"a time beyond dates":   {`{"iss":"https://a.example","sub":"user_ada","nbf":1e300,"exp":1000000060}`, "CLAIM_INVALID"},
		"a claim that is twice": {`{"iss":"https://a.example","sub":"user_ada","sub":"user_ben","exp":1000000060}`, "TOKEN_MALFORMED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := Parse(jwt(test.claims))
			if err != nil {
				t.Fatal(err)
			}
			if id, err := parsed.Identity(t.Context(), token.OIDC()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v; want %s", id, err, test.want)
			}
		})
	}
}

func TestIdentityIsReadFromTokensThatAServerRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		claims  string
		profile token.Profile
		issuer  string
	}{
		"a bound token":         {`{"iss":"https://a.example","sub":"user_ada","exp":1000000060,"cnf":{"jkt":"x"}}`, token.OIDC(), "https://a.example"},
		"a long token":          {`{"iss":"https://a.example","sub":"user_ada","exp":1000000060,"groups":["` + strings.Repeat("a", 100_000) + `"]}`, token.OIDC(), "https://a.example"},
		"an iss that is no URL": {`{"iss":"a.example","sub":"user_ada","exp":1000000060}`, token.OIDC(), "a.example"},
		"a trust domain":        {`{"sub":"spiffe://example.org/ns/acme","aud":["a"],"exp":1000000060}`, token.SPIFFE(), "spiffe://example.org"},
		"an ID token":           {`{"iss":"https://a.example","sub":"user_ada","exp":1000000060,"nonce":"n"}`, token.OIDC(), "https://a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := Parse(jwt(test.claims))
			if err != nil {
				t.Fatal(err)
			}
			if id, err := parsed.Identity(t.Context(), test.profile); err != nil || id.Issuer != test.issuer {
				t.Errorf("%v, %v; want one of %s", id, err, test.issuer)
			}
		})
	}
}
