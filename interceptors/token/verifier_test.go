package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

const (
	issuerURL = "https://clerk.example.com"
	app       = "https://app.example.com"
	pass      = auth.Reason(255) // no refusal
)

// now is when every test happens; the issuer's clock and the verifier's agree.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// sharedKey is the key of the issuers of most tests: making one of RSA takes
// longer than all the rest of a test.
var sharedKey = sync.OnceValue(func() *authtest.Key { return authtest.NewKey("RS256") })

func newIssuer() *authtest.Issuer { return issuerAt(issuerURL, clock) }

func issuerAt(url string, now func() time.Time) *authtest.Issuer {
	issuer := authtest.New(url, authtest.WithNow(now))
	issuer.Publish(sharedKey())
	return issuer
}

// keysOf returns the issuer's published keys, as they are now.
func keysOf(t testing.TB, issuer *authtest.Issuer) *jwks.Static {
	t.Helper()
	issuer.Key() // there is at least one
	var keys []*jwks.Key
	for _, k := range issuer.Keys() {
		key, err := jwks.NewKey(k.ID(), k.Public(), k.Algorithm())
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	set, err := jwks.NewStatic(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newVerifier returns a verifier that trusts the issuer, with Clerk's profile
// and any audience unless edit says otherwise.
func newVerifier(t testing.TB, issuer *authtest.Issuer, edit func(*token.Issuer)) *token.Verifier {
	t.Helper()
	trusted := token.Issuer{
		URL: issuer.URL(), Profile: token.Clerk(), Keys: keysOf(t, issuer), AllowAnyAudience: true,
	}
	if edit != nil {
		edit(&trusted)
	}
	v, err := token.New(token.Config{Issuers: []token.Issuer{trusted}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// expect verifies the token twice, so that the second verdict comes from the cache.
func expect(t *testing.T, v *token.Verifier, raw string, want auth.Reason) *auth.Identity {
	t.Helper()
	checkExplained(t, v, raw)
	var id *auth.Identity
	for range 2 {
		var err error
		id, err = v.Verify(t.Context(), raw)
		reason, refused := auth.ReasonOf(err)
		if want == pass && err != nil || want != pass && (!refused || reason != want || id != nil) {
			t.Fatalf("Verify: %v (cause: %v), want %v", err, errors.Unwrap(err), want)
		}
		if err != nil {
			checkNoToken(t, err, raw)
			checkVerified(t, err)
		}
	}
	return id
}

// checkVerified fails where a refusal does not say whether the signature holds.
func checkVerified(t *testing.T, err error) {
	t.Helper()
	refusal := auth.AsError(err)
	switch refusal.Reason {
	case auth.TokenTooLarge, auth.TokenMalformed, auth.IssuerUntrusted, auth.AlgorithmNotAllowed, auth.KeysUnavailable, auth.KeyUnknown, auth.SignatureInvalid:
		if refusal.Verified != nil {
			t.Errorf("%v comes before the signature is checked, and yet is Verified", refusal.Reason)
		}
	case auth.ClaimMissing, auth.ClaimInvalid: // also of iss, which says with whose keys to check
	case auth.TokenKindUnsupported: // also of a token that has no signature
	default:
		if refusal.Verified == nil {
			t.Errorf("%v of a token whose signature holds is not Verified", refusal.Reason)
		}
	}
}

// checkNoToken fails when an error or its cause holds a part of the token.
func checkNoToken(t *testing.T, err error, raw string) {
	t.Helper()
	text := err.Error()
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
		text += cause.Error()
	}
	for part := range strings.SplitSeq(raw, ".") {
		if len(part) > 8 && strings.Contains(text, part) {
			t.Errorf("the error holds a part of the token: %s", text)
		}
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestVerifyRefusesMalformedTokens(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	good := issuer.Session("user_ada")
	parts := strings.Split(good, ".")
	kid := issuer.Key().ID()
	header := func(member string) string {
		return fmt.Sprintf(`{"alg":"RS256","kid":%q,"typ":"JWT"%s}`, kid, member)
	}
	payload := func(member string) string {
		return fmt.Sprintf(`{"iss":%q,"sub":"user_ada","exp":%d%s}`, issuerURL, now.Unix()+60, member)
	}
	sign := func(header, payload string) string { return issuer.Sign([]byte(header), []byte(payload)) }
	lastBit := func(s string) string { // another character, the same bytes
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		i := strings.IndexByte(alphabet, s[len(s)-1])
		return s[:len(s)-1] + string(alphabet[i|1])
	}

	for _, tt := range []struct {
		name string
		raw  string
		want auth.Reason
	}{
		{"a good token passes", good, pass},
		{"a minimal token passes", sign(header(""), payload("")), pass},
		{"nothing", "", auth.TokenMalformed},
		{"one part", "abc", auth.TokenMalformed},
		{"an opaque OAuth access token", "oat_abcdef", auth.TokenKindUnsupported},
		{"an opaque machine token", "mt_abcdef", auth.TokenKindUnsupported},
		{"an API key", "ak_abcdef", auth.TokenKindUnsupported},
		{"two parts", parts[0] + "." + parts[1], auth.TokenMalformed},
		{"four parts", good + ".", auth.TokenMalformed},
		{"the five parts of a JWE", parts[0] + ".a.b.c.d", auth.TokenMalformed},
		{"an empty header", "." + parts[1] + "." + parts[2], auth.TokenMalformed},
		{"an empty payload", parts[0] + ".." + parts[2], auth.TokenMalformed},
		{"an empty signature", parts[0] + "." + parts[1] + ".", auth.TokenMalformed},
		{"only dots", strings.Repeat(".", 8000), auth.TokenMalformed},
		{"a megabyte of dots", strings.Repeat(".", 1<<20), auth.TokenTooLarge},
		{"a token over the limit", good + strings.Repeat("A", 8<<10), auth.TokenTooLarge},
		{"a JSON serialisation", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, auth.TokenMalformed},
		{"padding", good + "==", auth.TokenMalformed},
		{"the standard alphabet", parts[0] + "." + parts[1] + "+/" + "." + parts[2], auth.TokenMalformed},
		{"a space inside", parts[0] + " ." + parts[1] + "." + parts[2], auth.TokenMalformed},
		{"a line break inside", parts[0] + "." + parts[1][:4] + "\n" + parts[1][4:] + "." + parts[2], auth.TokenMalformed},
		{"a carriage return at the end", good + "\r", auth.TokenMalformed},
		{"stray bits in the last character", lastBit(good), auth.TokenMalformed},
		{"quotes", `"` + good + `"`, auth.TokenMalformed},

		{"a header that is no object", sign(`[]`, payload("")), auth.TokenMalformed},
		{"a header with data behind", sign(header("")+"{}", payload("")), auth.TokenMalformed},
		{"a header with a repeated name", sign(header(`,"kid":"x"`), payload("")), auth.TokenMalformed},
		{"a header with a name repeated by escape", sign(header(`,"\u006bid":"x"`), payload("")), auth.TokenMalformed},
		{"a header nested deep", sign(header(`,"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), payload("")), auth.TokenMalformed},
		{"no alg", sign(`{"kid":"`+kid+`"}`, payload("")), auth.TokenMalformed},
		{"an alg that is no string", sign(`{"alg":1}`, payload("")), auth.TokenMalformed},
		{"a kid that is no string", sign(`{"alg":"RS256","kid":7}`, payload("")), auth.TokenMalformed},
		{"a kid that is null", sign(`{"alg":"RS256","kid":null}`, payload("")), auth.TokenMalformed},
		{"crit", sign(header(`,"crit":["exp"]`), payload("")), auth.TokenMalformed},
		{"an empty crit", sign(header(`,"crit":[]`), payload("")), auth.TokenMalformed},
		{"b64", sign(header(`,"b64":true`), payload("")), auth.TokenMalformed},
		{"zip", sign(header(`,"zip":"DEF"`), payload("")), auth.TokenMalformed},
		{"a nested token", sign(header(`,"cty":"JWT"`), payload("")), auth.TokenMalformed},
		{"header members that name a key are ignored", sign(header(`,"jwk":{},"jku":"https://evil.example","x5u":"https://evil.example","x5c":[]`), payload("")), pass},

		{"a payload that is no object", sign(header(""), `"x"`), auth.TokenMalformed},
		{"a payload with data behind", sign(header(""), payload("")+" x"), auth.TokenMalformed},
		{"a payload with a repeated name", sign(header(""), payload(`,"sub":"user_eve"`)), auth.TokenMalformed},
		{"a payload with a repeated name further in", sign(header(""), payload(`,"x":{"y":1,"y":2}`)), auth.TokenMalformed},
		{"a payload that is no UTF-8", sign(header(""), payload(",\"x\":\"\xff\"")), auth.TokenMalformed},
		{"a payload of 1,000 levels", sign(header(""), payload(`,"x":`+strings.Repeat(`[`, 1000)+strings.Repeat(`]`, 1000))), auth.TokenMalformed},
		{"a payload of 500 members passes", sign(header(""), payload(manyMembers(500))), pass},

		{"none in lower case", b64(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2], auth.AlgorithmNotAllowed},
		{"none in mixed case", b64(`{"alg":"nOnE"}`) + "." + parts[1] + "." + parts[2], auth.AlgorithmNotAllowed},
		{"an empty alg", b64(`{"alg":""}`) + "." + parts[1] + "." + parts[2], auth.AlgorithmNotAllowed},
		{"an alg in lower case", b64(`{"alg":"rs256","kid":"`+kid+`"}`) + "." + parts[1] + "." + parts[2], auth.AlgorithmNotAllowed},
		{"an alg outside the list", issuer.Session("user_ada", authtest.SignedBy(issuer.Key().As("PS256"))), auth.AlgorithmNotAllowed},
		{
			"a MAC keyed with the public key",
			issuer.Session("user_ada", authtest.SignedBy(authtest.WrapKey("HS256", issuer.PublicPEM()).WithID(kid))), auth.AlgorithmNotAllowed,
		},
		{"a key that is not published", issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256"))), auth.KeyUnknown},
		{"a forged signature under a known kid", issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256").WithID(kid))), auth.SignatureInvalid},
		{"another payload under a good signature", parts[0] + "." + b64(payload("")) + "." + parts[2], auth.SignatureInvalid},
		{"another header under a good signature", b64(header(`,"x":1`)) + "." + parts[1] + "." + parts[2], auth.SignatureInvalid},
		{"a signature cut short", parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-6], auth.SignatureInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expect(t, v, tt.raw, tt.want)
		})
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return b.String()
}

func TestVerifyChecksClaims(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) {
		i.AuthorizedParties = []string{app}
		i.Audiences = []string{"api", "billing"}
	})
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	with := func(edits ...authtest.Edit) string {
		return issuer.Session("user_ada", append([]authtest.Edit{authtest.With("azp", app), authtest.With("aud", "api")}, edits...)...)
	}
	long := []authtest.Edit{authtest.With("iat", at(0)), authtest.With("exp", at(24*time.Hour))}

	for _, tt := range []struct {
		name string
		raw  string
		want auth.Reason
	}{
		{"everything in order", with(), pass},

		{"no exp", with(authtest.Without("exp")), auth.ClaimMissing},
		{"exp is a string", with(authtest.With("exp", fmt.Sprint(at(60)))), auth.ClaimInvalid},
		{"exp is true", with(authtest.With("exp", true)), auth.ClaimInvalid},
		{"exp is null", with(authtest.With("exp", nil)), auth.ClaimInvalid},
		{"exp is a list", with(authtest.With("exp", []int64{at(60)})), auth.ClaimInvalid},
		{"exp is absurd", with(authtest.With("exp", 1e300)), auth.ClaimInvalid},
		{"exp overflows", with(authtest.With("exp", int64(9223372036854775807))), auth.ClaimInvalid},
		{"exp is negative", with(authtest.With("exp", -1)), auth.ClaimInvalid},
		{"exp is zero", with(authtest.With("exp", 0)), auth.ClaimInvalid},
		{"exp is zero, and nothing says since when", with(authtest.With("exp", 0), authtest.Without("iat"), authtest.Without("nbf")), auth.TokenExpired},
		{"exp before iat", with(authtest.With("exp", at(-time.Second))), auth.ClaimInvalid},
		{"exp before nbf", with(authtest.Without("iat"), authtest.With("nbf", at(2*time.Second)), authtest.With("exp", at(time.Second))), auth.ClaimInvalid},
		{"exp at iat and nbf", with(authtest.With("nbf", at(0)), authtest.With("exp", at(0))), pass},
		{"exp has a fraction", with(authtest.With("exp", float64(at(0))+30.5)), pass},
		{"exp just before the skew", with(authtest.Without("iat"), authtest.With("exp", at(-4*time.Second))), pass},
		{"exp exactly at the skew", with(authtest.Without("iat"), authtest.With("exp", at(-5*time.Second))), auth.TokenExpired},
		{"exp a fraction before the skew", with(authtest.Without("iat"), authtest.With("exp", float64(at(-5*time.Second))+0.25)), pass},
		{"exp long ago", with(authtest.IssuedAt(now.Add(-time.Hour))), auth.TokenExpired},
		{"nbf exactly at the skew", with(authtest.With("nbf", at(5*time.Second))), pass},
		{"nbf beyond the skew", with(authtest.With("nbf", at(6*time.Second))), auth.TokenNotYetValid},
		{"nbf is a string", with(authtest.With("nbf", "0")), auth.ClaimInvalid},
		{"nbf is zero", with(authtest.With("nbf", 0)), pass},
		{"nbf is negative", with(authtest.With("nbf", -1)), auth.ClaimInvalid},
		{"no nbf", with(authtest.Without("nbf")), pass},
		{"iat beyond the skew", with(authtest.With("iat", at(6*time.Second))), auth.TokenNotYetValid},
		{"iat is null", with(authtest.With("iat", nil)), pass},
		{"no iat", with(authtest.Without("iat")), pass},
		{"the longest lifetime", with(long...), pass},
		{"a second more than the longest lifetime", with(append(long, authtest.With("exp", at(24*time.Hour)+1))...), auth.TokenLifetimeTooLong},
		{"a long lifetime without iat", with(authtest.Without("iat"), authtest.With("exp", at(25*time.Hour))), auth.TokenLifetimeTooLong},

		{"no sub", with(authtest.Without("sub")), auth.ClaimMissing},
		{"an empty sub", with(authtest.With("sub", "")), auth.ClaimInvalid},
		{"a sub that is a number", with(authtest.With("sub", 7)), auth.ClaimInvalid},
		{"a sub with a line break", with(authtest.With("sub", "user_ada\nx")), auth.ClaimInvalid},
		{"a sub with a control character beyond ASCII", with(authtest.With("sub", "user_ada\u0085x")), auth.ClaimInvalid},
		{"a sub with an accent", with(authtest.With("sub", "user_\u00e4da\u00a0")), pass},
		{"a sid with a terminal escape", with(authtest.With("sid", "sess_1\x1b[2J")), auth.ClaimInvalid},
		{"a jti with a line break", with(authtest.With("jti", "0a1b\n")), auth.ClaimInvalid},
		{"a client with a delete", with(authtest.With("client_id", "client\x7f")), auth.ClaimInvalid},
		{"a sub with a zero byte", with(authtest.With("sub", "user_ada\x00")), auth.ClaimInvalid},

		{"no iss", with(authtest.Without("iss")), auth.ClaimMissing},
		{"iss is a list", with(authtest.With("iss", []string{issuerURL})), auth.ClaimInvalid},
		{"another issuer", with(authtest.With("iss", "https://evil.example")), auth.IssuerUntrusted},
		{"an issuer with a slash more", with(authtest.With("iss", issuerURL+"/")), auth.IssuerUntrusted},
		{"an issuer that begins alike", with(authtest.With("iss", issuerURL+".evil.example")), auth.IssuerUntrusted},
		{"an issuer in capitals", with(authtest.With("iss", strings.ToUpper(issuerURL))), auth.IssuerUntrusted},

		{"another of the audiences", with(authtest.With("aud", "billing")), pass},
		{"an audience in a list", with(authtest.With("aud", []string{"x", "api"})), pass},
		{"no aud", with(authtest.Without("aud")), auth.AudienceMismatch},
		{"another audience", with(authtest.With("aud", "other")), auth.AudienceMismatch},
		{"an audience in another case", with(authtest.With("aud", "API")), auth.AudienceMismatch},
		{"an empty audience", with(authtest.With("aud", "")), auth.AudienceMismatch},
		{"aud is an empty list", with(authtest.With("aud", []string{})), auth.AudienceMismatch},
		{"aud is a number", with(authtest.With("aud", 1)), auth.ClaimInvalid},
		{"aud is a list with a number", with(authtest.With("aud", []any{"api", 1})), auth.ClaimInvalid},
		{"aud is null", with(authtest.With("aud", nil)), auth.AudienceMismatch},
		{"aud is an object", with(authtest.With("aud", map[string]any{"api": 1})), auth.ClaimInvalid},

		{"no azp", with(authtest.Without("azp")), auth.AuthorizedPartyMismatch},
		{"another azp", with(authtest.With("azp", "https://other.example.com")), auth.AuthorizedPartyMismatch},
		{"azp with a slash more", with(authtest.With("azp", app+"/")), auth.AuthorizedPartyMismatch},
		{"an empty azp", with(authtest.With("azp", "")), auth.AuthorizedPartyMismatch},
		{"azp is a list", with(authtest.With("azp", []string{app})), auth.ClaimInvalid},

		{"a pending session", with(authtest.With("sts", "pending")), auth.SessionPending},
		{"another status", with(authtest.With("sts", "active")), pass},
		{"a status that is no string", with(authtest.With("sts", 1)), auth.ClaimInvalid},
		{"a pending session that has expired", with(authtest.With("sts", "pending"), authtest.IssuedAt(now.Add(-time.Hour))), auth.TokenExpired},
		{"a version that is not known", with(authtest.With("v", 3)), auth.ClaimInvalid},
		{"a feature without a scope", with(authtest.With("fea", "dashboard")), auth.ClaimInvalid},
		{"a plan without a scope", with(authtest.With("pla", "o:pro,free")), auth.ClaimInvalid},
		{"an organization that is no object", with(authtest.With("o", "org_acme")), auth.ClaimInvalid},
		{"an actor without a subject", with(authtest.With("act", map[string]any{"iss": "x"})), auth.ClaimInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expect(t, v, tt.raw, tt.want)
		})
	}
}

func TestVerifyChecksKinds(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	tokens := map[auth.TokenKind]string{
		auth.KindSession:  issuer.Session("user_ada", authtest.With("aud", "api")),
		auth.KindTemplate: issuer.Template("user_ada", authtest.With("aud", "api")),
		auth.KindOAuth:    issuer.OAuth("user_ada", authtest.With("aud", "api")),
		auth.KindMachine:  issuer.Machine("mch_robo", authtest.With("aud", "api")),
	}
	for _, tt := range []struct {
		name   string
		edit   func(*token.Issuer)
		accept []auth.TokenKind
	}{
		{"sessions alone by default", nil, []auth.TokenKind{auth.KindSession}},
		{
			"templates too with an audience",
			func(i *token.Issuer) { i.Audiences = []string{"api"} },
			[]auth.TokenKind{auth.KindSession, auth.KindTemplate},
		},
		{
			"what is named, and nothing else",
			func(i *token.Issuer) { i.Kinds = []auth.TokenKind{auth.KindOAuth, auth.KindMachine} },
			[]auth.TokenKind{auth.KindOAuth, auth.KindMachine},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, issuer, tt.edit)
			for kind, raw := range tokens {
				if !slices.Contains(tt.accept, kind) {
					expect(t, v, raw, auth.TokenKindUnsupported)
				} else if id := expect(t, v, raw, pass); id.Kind != kind {
					t.Errorf("a token of kind %v became %v", kind, id.Kind)
				}
			}
		})
	}
}

func TestVerifyAcceptsAMissingAuthorizedPartyIfConfigured(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) {
		i.AuthorizedParties, i.AllowMissingAuthorizedParty = []string{app}, true
	})
	expect(t, v, issuer.Session("user_ada", authtest.Without("azp")), pass)
	expect(t, v, issuer.Session("user_ada", authtest.With("azp", "")), pass)
	expect(t, v, issuer.Session("user_ada", authtest.With("azp", nil)), pass)
	expect(t, v, issuer.Session("user_ada", authtest.With("azp", "https://evil.example")), auth.AuthorizedPartyMismatch)
}

func TestVerifyEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, algorithm := range token.OIDC().Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer()
			raw := issuer.OIDC("user_ada", authtest.Algorithm(algorithm))
			v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.OIDC() })
			expect(t, v, raw, pass)
			clerk := newVerifier(t, issuer, nil)
			if algorithm != "RS256" {
				expect(t, clerk, raw, auth.AlgorithmNotAllowed)
			}
			// The same header and payload, with one bit of the signature changed.
			at := strings.LastIndexByte(raw, '.') + 10
			flipped := raw[:at] + string("AB"[(raw[at]&1)^1]) + raw[at+1:]
			if flipped[at] == raw[at] {
				flipped = raw[:at] + "C" + raw[at+1:]
			}
			expect(t, v, flipped, auth.SignatureInvalid)
			// White space, which a decoder of base64 likes to skip, wherever it is.
			for _, space := range []string{"\n", "\r", "\r\n", " ", "\t", "\n\n\n"} {
				for _, at := range []int{0, 4, strings.IndexByte(raw, '.'), at, len(raw)} {
					expect(t, v, raw[:at]+space+raw[at:], auth.TokenMalformed)
				}
			}
		})
	}
}

// A kid of one issuer never finds the key of another.
func TestVerifyKeepsIssuersApart(t *testing.T) {
	t.Parallel()
	one := authtest.New("https://one.example.com", authtest.WithNow(clock))
	two := authtest.New("https://two.example.com", authtest.WithNow(clock))
	keyOne, keyTwo := authtest.NewKey("RS256").WithID("same"), authtest.NewKey("RS256").WithID("same")
	one.Publish(keyOne)
	two.Publish(keyTwo)
	v, err := token.New(token.Config{Now: clock, Issuers: []token.Issuer{
		{URL: one.URL(), Keys: keysOf(t, one), AllowAnyAudience: true},
		{URL: two.URL(), Keys: keysOf(t, two), AllowAnyAudience: true, Profile: token.Clerk()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, v, one.Session("user_ada"), pass)
	expect(t, v, two.Session("user_ada"), pass)
	expect(t, v, one.Session("user_ada", authtest.SignedBy(keyTwo)), auth.SignatureInvalid)
	expect(t, v, two.Session("user_ada", authtest.SignedBy(keyOne)), auth.SignatureInvalid)
}

type unavailable struct{}

func (unavailable) Lookup(context.Context, jwks.Hint) ([]*jwks.Key, error) {
	return nil, jwks.ErrUnavailable
}

func TestVerifyWithoutKeys(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Keys = unavailable{} })
	expect(t, v, issuer.Session("user_ada"), auth.KeysUnavailable)
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, newIssuer())
	_, err := token.New(token.Config{MaxTokenBytes: -1, Issuers: []token.Issuer{
		{},
		{URL: "https://a.example", Keys: keys},
		{URL: "https://b.example", Keys: keys, AllowAnyAudience: true, Algorithms: []string{"HS256"}, MaxLifetime: -1, Skew: time.Hour, Kinds: []auth.TokenKind{0}},
		{URL: "https://b.example", Keys: keys, Audiences: []string{""}},
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`issuer "": URL must be`, `issuer "": Keys are required`,
		`issuer "https://a.example": give Audiences or AuthorizedParties`,
		`algorithm "HS256" is not supported`, `MaxLifetime is negative`, `Skew is over 10m0s`, `the zero Kind`,
		`issuer "https://b.example": given twice`, `an empty audience`, `MaxTokenBytes is negative`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	for name, profile := range map[string]token.Profile{
		"a profile without a name":     {Roles: []token.ClaimPath{{"roles"}}},
		"a profile with an empty path": {Name: "own", Roles: []token.ClaimPath{{}}},
	} {
		if _, err := token.New(token.Config{Issuers: []token.Issuer{{URL: "https://a.example", Keys: keys, AllowAnyAudience: true, Profile: profile}}}); err == nil || !strings.Contains(err.Error(), "the Profile has") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := token.New(token.Config{}); err == nil || !strings.Contains(err.Error(), "no issuer") {
		t.Errorf("New without issuers: %v", err)
	}
}
