package token_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A type may have application/ in front (RFC 7515, section 4.1.9).
func TestTypeIsAMediaType(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Kinds = everyKind })
	for _, typ := range []string{"at+jwt", "application/at+jwt", "Application/AT+JWT"} {
		header := fmt.Appendf(nil, `{"alg":"RS256","kid":%q,"typ":%q}`, issuer.Key().ID(), typ)
		payload := fmt.Appendf(nil, `{"iss":%q,"sub":"user_ada","client_id":"app","azp":"https://app.example.com","exp":%d}`, issuerURL, now.Unix()+60)
		id, err := v.Verify(t.Context(), issuer.Sign(header, payload))
		if err != nil || id.Kind != auth.KindOAuth {
			t.Errorf("typ %s: %+v, %v; want kind oauth", typ, id, err)
		}
	}
}

func TestClerkIssuer(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"pk_live_Y2xlcmsuZXhhbXBsZS5jb20k":                     "https://clerk.example.com",
		"pk_test_aGFwcHktaGlwcG8tMS5jbGVyay5hY2NvdW50cy5kZXYk": "https://happy-hippo-1.clerk.accounts.dev",
	} {
		if got, err := token.ClerkIssuer(key); err != nil || got != want {
			t.Errorf("ClerkIssuer(%q) = %q, %v; want %q", key, got, err, want)
		}
	}
	for name, key := range map[string]string{
		"nothing":                           "",
		"no dollar at the end":              "pk_live_Y2xlcmsuZXhhbXBsZS5jb20",
		"a dollar in the host":              "pk_test_YSRiJA==",
		"no host":                           "pk_live_",
		"a secret key":                      "sk_test_x",
		"another stage":                     "pk_dev_Y2xlcmsuZXhhbXBsZS5jb20k",
		"four parts":                        "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k_x",
		"not base64":                        "pk_live_!!!!",
		"a host of one label":               "pk_live_bG9jYWxob3N0JA==",
		"a path after the host":             "pk_live_YS5iL2Mk",
		"a label that begins with a hyphen": "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("-a.example.com$")),
		"a label that ends with a hyphen":   "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a-.example.com$")),
		"an empty label":                    "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a..com$")),
		"an empty port":                     "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a.example.com:$")),
		"a port that is no number":          "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a.example.com:x$")),
	} {
		if got, err := token.ClerkIssuer(key); err == nil {
			t.Errorf("%s: ClerkIssuer = %q, want an error", name, got)
		}
	}
}

func FuzzClerkIssuer(f *testing.F) {
	for _, seed := range []string{"", "pk_live_", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "pk_test_YSRiJA==", "sk_test_x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		issuer, err := token.ClerkIssuer(key)
		if err != nil {
			if issuer != "" {
				t.Fatalf("%q: both %q and %v", key, issuer, err)
			}
			return
		}
		if !strings.HasPrefix(issuer, "https://") || strings.ContainsAny(issuer[len("https://"):], "/@?#$ ") {
			t.Fatalf("%q gave %q", key, issuer)
		}
	})
}
