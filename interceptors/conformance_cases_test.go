package interceptors_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A testCase is one thing that a caller may send.
type testCase struct {
	attempt

	name   string
	caller string      // who is answered, when admitted
	want   auth.Reason // why not, when refused
	demand *auth.Demand
}

// secrets returns what must not come back: every part of what was sent that is
// long enough not to occur by chance.
func (c testCase) secrets() []string {
	var secrets []string
	sent := slices.Collect(func(yield func(string) bool) {
		for _, values := range c.header {
			for _, value := range values {
				if !yield(value) {
					return
				}
			}
		}
		yield(c.query)
	})
	for _, value := range sent {
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" .,=", r) }) {
			if len(part) > 12 {
				secrets = append(secrets, part)
			}
		}
	}
	return secrets
}

func header(name string, values ...string) http.Header { return http.Header{name: values} }

func bearer(token string) http.Header { return header("Authorization", "Bearer "+token) }

// with adds a header to one that a case has.
func with(h http.Header, name, value string) http.Header {
	h[name] = append(h[name], value)
	return h
}

// goodCases are admitted everywhere.
func (k *kit) goodCases() []testCase {
	var cases []testCase
	add := func(name, service, caller string, h http.Header) {
		cases = append(cases, testCase{name: name, caller: caller, attempt: attempt{service: service, header: h, body: hello}})
	}
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		add("a token signed with "+algorithm, authenticated, ada, bearer(k.access(authtest.Algorithm(algorithm))))
	}
	add("a session token", authenticated, ada, bearer(k.session()))
	add("a session token of version 1", authenticated, ada, bearer(k.clerk.SessionV1(ada, authtest.With("azp", party))))
	add("an OAuth token where that kind is accepted", scopedOnly, ada, bearer(k.wide.OAuth(ada)))
	add("a machine token where that kind is accepted", authenticated, "mch_billing", bearer(k.wide.Machine("mch_billing")))
	add("a scheme in lower case", authenticated, ada, header("Authorization", "bearer "+k.session()))
	add("a scheme in upper case", authenticated, ada, header("Authorization", "BEARER "+k.session()))
	add("a token in its last second", authenticated, ada, bearer(k.session(authtest.IssuedAt(k.now.Add(-64*time.Second)))))
	add("a token that becomes valid within the skew", authenticated, ada, bearer(k.session(authtest.With("nbf", k.now.Unix()+5))))
	add("one audience among several", authenticated, ada, bearer(k.access(authtest.With("aud", []string{"else", audience}))))
	add("a header that claims to be somebody else", authenticated, ada, with(bearer(k.session()), "X-User-Id", "user_eve"))
	add("a public method without a token", public, nobody, nil)
	add("a public method with one", public, ada, bearer(k.session()))
	add("an admin where a role is asked for", adminsOnly, ada, bearer(k.session(authtest.InOrganization("org_acme", "acme", "admin"))))
	add("a reader where a permission is asked for", readersOnly, ada, bearer(k.session(authtest.InOrganization("org_acme", "acme", "member", "invoices:read"))))
	add("a user where that kind is asked for", usersOnly, ada, bearer(k.session()))
	add("a member where an organization is asked for", membersOnly, ada, bearer(k.session(authtest.InOrganization("org_acme", "acme", "member"))))
	add("one of the features", featureOnly, ada, bearer(k.session(authtest.With("fea", "u:exports"))))
	add("one of the plans", planOnly, ada, bearer(k.session(authtest.With("pla", "o:enterprise"))))
	add("both factors verified a while ago", freshOnly, ada, bearer(k.session(authtest.With("fva", []int{9, 0}))))
	add("a condition on the identity that holds", acmeOnly, ada, bearer(k.session(authtest.InOrganization("org_acme", "acme", "member"))))
	add("a forged token where that counts as none", lenient, nobody, bearer(k.forged()))
	add("two tokens where that counts as none", lenient, nobody, header("Authorization", "Bearer x", "Bearer y"))
	add("a good token where a bad one counts as none", lenient, ada, bearer(k.session()))
	return cases
}

// badCases are refused everywhere.
func (k *kit) badCases() []testCase {
	return slices.Concat(k.badCarriers(), k.badTokens(), k.badHeaders(), k.badClaims(), k.badCallers())
}

// badCarriers bring a good token, or none, in a way that does not count.
func (k *kit) badCarriers() []testCase {
	var cases []testCase
	add := func(name string, want auth.Reason, h http.Header) {
		cases = append(cases, testCase{name: name, want: want, attempt: attempt{service: authenticated, header: h, body: hello}})
	}
	good := k.session()
	add("no token", auth.TokenMissing, nil)
	add("an empty header", auth.TokenMissing, header("Authorization", ""))
	add("two headers", auth.CredentialsAmbiguous, header("Authorization", "Bearer "+good, "Bearer "+good))
	add("a list in one header", auth.CredentialsAmbiguous, header("Authorization", "Bearer "+good+", Bearer "+good))
	add("a list without spaces", auth.CredentialsAmbiguous, header("Authorization", "Bearer "+good+","+good))
	add("two spaces", auth.TokenMalformed, header("Authorization", "Bearer  "+good))
	add("something after the token", auth.TokenMalformed, header("Authorization", "Bearer "+good+" x"))
	add("the scheme alone", auth.TokenMalformed, header("Authorization", "Bearer"))
	add("the token alone", auth.TokenMalformed, header("Authorization", good))
	add("the token in quotes", auth.TokenMalformed, header("Authorization", `Bearer "`+good+`"`))
	add("another scheme", auth.TokenMissing, header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ada:"+good))))
	add("a token in a cookie", auth.TokenMissing, header("Cookie", "__session="+good))
	add("a token in authorization-bin", auth.TokenMissing, header("Authorization-Bin", base64.RawStdEncoding.EncodeToString([]byte("Bearer "+good))))
	add("a token in a header of another name", auth.TokenMissing, header("X-Authorization", "Bearer "+good))
	add("a token for the proxy", auth.TokenMissing, header("Proxy-Authorization", "Bearer "+good))
	add("a header that claims an identity", auth.TokenMissing, header("X-User-Id", ada))
	cases = append(cases, testCase{name: "a token in the query", want: auth.TokenMissing, attempt: attempt{
		service: authenticated, query: "access_token=" + good + "&token=" + good, body: hello,
	}})
	return cases
}

// badTokens are no compact JWS, or one whose signature does not hold.
func (k *kit) badTokens() []testCase {
	var cases []testCase
	add := func(name string, want auth.Reason, token string) {
		cases = append(cases, testCase{name: name, want: want, attempt: attempt{service: authenticated, header: bearer(token), body: hello}})
	}
	good := k.session()
	parts := strings.Split(good, ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	kid := k.clerk.Key().ID()

	add("garbage", auth.TokenMalformed, "garbage-that-is-no-token")
	add("a token that is too large", auth.TokenTooLarge, strings.Repeat("a", 8<<10+1))
	add("dots and nothing else", auth.TokenMalformed, strings.Repeat(".", 4<<10))
	add("two parts", auth.TokenMalformed, parts[0]+"."+parts[1])
	add("an empty signature", auth.TokenMalformed, parts[0]+"."+parts[1]+".")
	add("the five parts of a JWE", auth.TokenMalformed, strings.Join([]string{encode(`{"alg":"RSA-OAEP","enc":"A256GCM"}`), "key-key", "iv-iv", "text", "tag-tag"}, "."))
	add("padding", auth.TokenMalformed, parts[0]+"."+parts[1]+"."+parts[2]+"==")
	add("the other alphabet of base64", auth.TokenMalformed, parts[0]+"."+parts[1]+".+/+/")
	add("stray bits in the last character", auth.TokenMalformed, parts[0]+"."+parts[1]+".AB")
	add("a payload that is no JSON", auth.TokenMalformed, k.clerk.Sign([]byte(`{"alg":"RS256","kid":"`+kid+`"}`), []byte("hello, world")))
	add("a claim twice", auth.TokenMalformed, k.clerk.Sign([]byte(`{"alg":"RS256","kid":"`+kid+`"}`), []byte(`{"sub":"user_ada","sub":"user_eve"}`)))
	add("data after the payload", auth.TokenMalformed, k.clerk.Sign([]byte(`{"alg":"RS256","kid":"`+kid+`"}`), []byte(`{"sub":"user_ada"}{}`)))

	for _, none := range []string{"none", "None", "NONE", "nOnE", ""} {
		add("the algorithm "+none+" that is none", auth.AlgorithmNotAllowed, encode(`{"alg":"`+none+`","kid":"`+kid+`"}`)+"."+parts[1]+"."+parts[2])
	}
	add("a MAC keyed with the public key", auth.AlgorithmNotAllowed, k.session(authtest.SignedBy(authtest.WrapKey("HS256", k.clerk.PublicPEM()).WithID(kid))))
	add("an algorithm outside the list", auth.AlgorithmNotAllowed, k.session(authtest.SignedBy(k.clerk.Key().As("PS256"))))
	add("an algorithm that is not the key's", auth.AlgorithmNotAllowed, k.access(authtest.Algorithm("RS256"), authtest.Header("alg", "RS512")))
	add("a key that nobody published", auth.KeyUnknown, k.session(authtest.SignedBy(authtest.NewKey("RS256"))))
	add("no kid, where there are many keys", auth.KeyUnknown, k.access(authtest.WithoutHeader("kid")))
	add("a forged signature", auth.SignatureInvalid, k.forged())
	add("the signature of another token", auth.SignatureInvalid, parts[0]+"."+parts[1]+"."+strings.Split(k.session(authtest.With("n", 1)), ".")[2])
	add("claims that were changed", auth.SignatureInvalid, parts[0]+"."+strings.Split(k.session(authtest.With("sub", "user_eve")), ".")[1]+"."+parts[2])
	add("another issuer's key under the same kid", auth.SignatureInvalid, k.crossed())
	add("an issuer whose keys cannot be had", auth.KeysUnavailable, k.down.Session(ada))
	return cases
}

// crossed returns a token that claims to be one issuer's and is signed with the
// key that another issuer publishes under the same kid.
func (k *kit) crossed() string {
	k.oidc.Publish(authtest.NewKey("RS256").WithID(k.clerk.Key().ID()))
	return k.oidc.OIDC(ada, authtest.With("aud", audience), authtest.SignedBy(k.clerk.Key()))
}
