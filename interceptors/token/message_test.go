package token_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// message is a logout token, but for its edits.
func message(issuer *authtest.Issuer, edits ...authtest.Edit) string {
	return issuer.OIDC("user_ada", append([]authtest.Edit{
		authtest.Header("typ", "logout+jwt"), authtest.With("jti", "msg_1"), authtest.With("aud", []string{"web"}),
		authtest.ExpiresIn(2 * time.Minute), authtest.With("events", map[string]any{}),
	}, edits...)...)
}

func TestVerifyMessage(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Aliases = []string{"clerk.example.com"} })
	got, err := v.VerifyMessage(t.Context(), message(issuer, authtest.Header("typ", "application/logout+jwt"), authtest.With("iss", "clerk.example.com")))
	if err != nil {
		t.Fatal(err)
	}
	if got.Issuer != issuerURL || got.Type != "logout+jwt" || got.ID != "msg_1" || got.Subject != "user_ada" ||
		!slices.Equal(got.Audience, []string{"web"}) || !got.IssuedAt.Equal(now) || !got.ExpiresAt.Equal(now.Add(2*time.Minute)) ||
		!strings.Contains(got.Claims, `"events":{}`) {
		t.Errorf("VerifyMessage = %+v", got)
	}
	bare, err := v.VerifyMessage(t.Context(), message(issuer, authtest.WithoutHeader("typ"), authtest.Without("jti"), authtest.Without("sub"),
		authtest.Without("aud"), authtest.Without("iat"), authtest.Without("exp"), authtest.Without("nbf")))
	if err != nil || bare.Type != "" || bare.ID != "" || bare.Subject != "" || bare.Audience != nil || !bare.IssuedAt.IsZero() || !bare.ExpiresAt.IsZero() {
		t.Errorf("of one without claims: %+v, %v", bare, err)
	}
	// What is no credential is none here either.
	if _, err := v.Verify(t.Context(), message(issuer)); !errors.Is(err, &auth.Error{Reason: auth.TokenKindUnsupported}) {
		t.Errorf("Verify = %v; want %v", err, auth.TokenKindUnsupported)
	}
}

func TestVerifyMessageRefuses(t *testing.T) {
	t.Parallel()
	issuer, stranger := newIssuer(), authtest.New("https://else.example.com", authtest.WithNow(clock))
	stranger.Publish(sharedKey())
	v := newVerifier(t, issuer, nil)
	forged := strings.Split(message(issuer), ".")
	for name, tt := range map[string]struct {
		raw  string
		want auth.Reason
	}{
		"nothing":                              {"", auth.TokenMalformed},
		"two parts":                            {"e30.e30", auth.TokenMalformed},
		"a message without an issuer":          {message(issuer, authtest.Without("iss")), auth.ClaimMissing},
		"an issuer that is a number":           {message(issuer, authtest.With("iss", 1)), auth.ClaimInvalid},
		"an issuer that is not trusted":        {message(stranger), auth.IssuerUntrusted},
		"no signature by alg none":             {message(issuer, authtest.Header("alg", "none")), auth.AlgorithmNotAllowed},
		"an algorithm that is not on the list": {message(issuer, authtest.SignedBy(authtest.NewKey("ES256"))), auth.AlgorithmNotAllowed},
		"a key that is not the issuer's":       {message(issuer, authtest.SignedBy(authtest.NewKey("RS256"))), auth.KeyUnknown},
		"other claims under the signature":     {forged[0] + "." + b64(`{"iss":"`+issuerURL+`"}`) + "." + forged[2], auth.SignatureInvalid},
		"one that has expired":                 {message(issuer, authtest.With("exp", now.Add(-token.DefaultSkew).Unix())), auth.TokenExpired},
		"one that is issued in the future":     {message(issuer, authtest.With("iat", now.Add(token.DefaultSkew+time.Second).Unix())), auth.TokenNotYetValid},
		"one that does not count yet":          {message(issuer, authtest.With("nbf", now.Add(token.DefaultSkew+time.Second).Unix())), auth.TokenNotYetValid},
		"exp that is a text":                   {message(issuer, authtest.With("exp", "tomorrow")), auth.ClaimInvalid},
		"iat that is negative":                 {message(issuer, authtest.With("iat", -1)), auth.ClaimInvalid},
		"iat beyond the calendar":              {message(issuer, authtest.With("iat", 1e15)), auth.ClaimInvalid},
		"a jti that is empty":                  {message(issuer, authtest.With("jti", "")), auth.ClaimInvalid},
		"a jti that is a number":               {message(issuer, authtest.With("jti", 7)), auth.ClaimInvalid},
		"a sub that is empty":                  {message(issuer, authtest.With("sub", "")), auth.ClaimInvalid},
		"a sub with a line break":              {message(issuer, authtest.With("sub", "a\nb")), auth.ClaimInvalid},
		"an audience that is a number":         {message(issuer, authtest.With("aud", 1)), auth.ClaimInvalid},
		"an audience with a number":            {message(issuer, authtest.With("aud", []any{"web", 1})), auth.ClaimInvalid},
		"one of 64 KiB":                        {message(issuer, authtest.With("pad", strings.Repeat("x", 64<<10))), auth.TokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := v.VerifyMessage(t.Context(), tt.raw)
			if reason, _ := auth.ReasonOf(err); err == nil || reason != tt.want {
				t.Errorf("VerifyMessage = %v; want %v", err, tt.want)
			}
			checkNoToken(t, err, tt.raw)
		})
	}
}

// A text that is longer than any token of the issuer can be a message of it.
func TestAMessageMayBeLongerThanAToken(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	if _, err := v.VerifyMessage(t.Context(), message(issuer, authtest.With("pad", strings.Repeat("x", 2*token.DefaultMaxTokenBytes)))); err != nil {
		t.Error(err)
	}
}

func TestVerifyMessageWithoutKeys(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Keys = unavailable{} })
	if _, err := v.VerifyMessage(t.Context(), message(issuer)); !errors.Is(err, &auth.Error{Reason: auth.KeysUnavailable}) {
		t.Errorf("VerifyMessage = %v; want %v", err, auth.KeysUnavailable)
	}
}

// A trust domain's workloads have keys of their own under it, and none of them speaks for it.
func TestATrustDomainSignsNoMessages(t *testing.T) {
	t.Parallel()
	issuer := issuerAt("spiffe://example.org", clock)
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.SPIFFE() })
	_, err := v.VerifyMessage(t.Context(), message(issuer, authtest.With("sub", "spiffe://example.org/web")))
	if !errors.Is(err, &auth.Error{Reason: auth.IssuerUntrusted}) {
		t.Errorf("VerifyMessage = %v; want %v", err, auth.IssuerUntrusted)
	}
}
