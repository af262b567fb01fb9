package authtest_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestEdits(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com", authtest.WithNow(fixedNow))
	stranger := authtest.NewKey("ES256").WithID("ins_stranger")
	for _, test := range []struct {
		name           string
		edits          []authtest.Edit
		header, claims map[string]any // nil for one that is absent
	}{
		{
			name:   "With sets a claim of any type",
			edits:  []authtest.Edit{authtest.With("sts", "pending"), authtest.With("sub", 7)},
			claims: map[string]any{"sts": "pending", "sub": 7.0},
		},
		{
			name:   "Without removes a claim",
			edits:  []authtest.Edit{authtest.Without("exp")},
			claims: map[string]any{"exp": nil, "sub": "user_ada"},
		},
		{
			name:   "the later edit wins",
			edits:  []authtest.Edit{authtest.Without("azp"), authtest.With("azp", "a"), authtest.With("azp", "b")},
			claims: map[string]any{"azp": "b"},
		},
		{
			name:   "Header and WithoutHeader change the header",
			edits:  []authtest.Edit{authtest.Header("crit", []string{}), authtest.WithoutHeader("kid")},
			header: map[string]any{"crit": []any{}, "kid": nil, "alg": "RS256"},
		},
		{
			name:   "SignedBy names the key",
			edits:  []authtest.Edit{authtest.SignedBy(stranger)},
			header: map[string]any{"alg": "ES256", "kid": "ins_stranger"},
		},
		{
			name:   "a forged token can name a key that did not sign it",
			edits:  []authtest.Edit{authtest.SignedBy(stranger), authtest.Header("kid", iss.Key().ID())},
			header: map[string]any{"alg": "ES256", "kid": iss.Key().ID()},
		},
		{
			name:   "IssuedAt moves all three times",
			edits:  []authtest.Edit{authtest.IssuedAt(now.Add(-time.Hour))},
			claims: map[string]any{"iat": at(-time.Hour), "nbf": at(-time.Hour - 10*time.Second), "exp": at(-59 * time.Minute)},
		},
		{
			name:   "a lifetime holds although the time of issue changes after it",
			edits:  []authtest.Edit{authtest.ExpiresIn(time.Hour), authtest.IssuedAt(now.Add(time.Minute))},
			claims: map[string]any{"iat": at(time.Minute), "exp": at(61 * time.Minute)},
		},
		{
			name:   "a lifetime counts from a time of issue that was set before it",
			edits:  []authtest.Edit{authtest.IssuedAt(now.Add(time.Minute)), authtest.ExpiresIn(time.Hour)},
			claims: map[string]any{"iat": at(time.Minute), "exp": at(61 * time.Minute)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			header, claims := decode(t, iss.Session("user_ada", test.edits...))
			hasMembers(t, "header", header, test.header)
			hasMembers(t, "claims", claims, test.claims)
		})
	}
}

func TestMisusePanicsWithARemedy(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com")
	for _, test := range []struct {
		name   string
		misuse func()
		want   string
	}{
		{
			name:   "an algorithm that has no key",
			misuse: func() { authtest.NewKey("none") },
			want:   "authtest: make a key for none: unknown algorithm: use RS, PS or ES with 256, 384 or 512, or EdDSA",
		},
		{
			name:   "a claim without a JSON form",
			misuse: func() { iss.Session("user_ada", authtest.With("f", func() {})) },
			want:   "authtest: encode the claims of a token: json: unsupported type: func()",
		},
		{
			name:   "a permission without a feature",
			misuse: func() { iss.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "read")) },
			want:   `authtest: permission "read": write it feature:permission, such as invoices:read`,
		},
		{
			name:   "a PEM of a secret",
			misuse: func() { authtest.WrapKey("HS256", []byte("secret")).WithID("k").PublicPEM() },
			want:   "authtest: encode the public key k: x509: unsupported public key type: []uint8",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if got := fmt.Sprint(recover()); got != test.want {
					t.Errorf("panics with %q, want %q", got, test.want)
				}
			}()
			test.misuse()
		})
	}
}

// at returns the NumericDate of now + d, as JSON decodes it.
func at(d time.Duration) float64 { return float64(now.Add(d).Unix()) }

func hasMembers(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if fmt.Sprintf("%#v", got[name]) != fmt.Sprintf("%#v", value) {
			t.Errorf("%s: %s = %#v, want %#v", what, name, got[name], value)
		}
	}
}
