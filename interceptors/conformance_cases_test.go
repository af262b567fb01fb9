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

// badHeaders are signed by the right key, with something in the JOSE header that
// is not understood.
func (k *kit) badHeaders() []testCase {
	var cases []testCase
	add := func(name string, want auth.Reason, edits ...authtest.Edit) {
		cases = append(cases, testCase{name: name, want: want, attempt: attempt{service: authenticated, header: bearer(k.session(edits...)), body: hello}})
	}
	add("crit", auth.TokenMalformed, authtest.Header("crit", []string{"exp"}))
	add("an empty crit", auth.TokenMalformed, authtest.Header("crit", []string{}))
	add("b64", auth.TokenMalformed, authtest.Header("b64", false))
	add("zip", auth.TokenMalformed, authtest.Header("zip", "DEF"))
	add("a token in a token", auth.TokenMalformed, authtest.Header("cty", "JWT"))
	add("a kid that is no string", auth.TokenMalformed, authtest.Header("kid", 7))
	add("no algorithm", auth.TokenMalformed, authtest.WithoutHeader("alg"))
	add("an unknown type", auth.TokenKindUnsupported, authtest.Header("typ", "logout+jwt"))
	return cases
}

// badClaims are signed by the right key and say something that is not accepted.
func (k *kit) badClaims() []testCase {
	var cases []testCase
	add := func(name string, want auth.Reason, token string) {
		cases = append(cases, testCase{name: name, want: want, attempt: attempt{service: authenticated, header: bearer(token), body: hello}})
	}
	add("a token that has expired", auth.TokenExpired, k.session(authtest.IssuedAt(k.now.Add(-time.Hour))))
	add("a token at the very end of the skew", auth.TokenExpired, k.session(authtest.IssuedAt(k.now.Add(-65*time.Second))))
	add("no exp", auth.ClaimMissing, k.session(authtest.Without("exp")))
	add("an exp that is text", auth.ClaimInvalid, k.session(authtest.With("exp", "tomorrow")))
	add("an exp that is absurd", auth.ClaimInvalid, k.session(authtest.With("exp", 1e300)))
	add("an nbf beyond the skew", auth.TokenNotYetValid, k.session(authtest.With("nbf", k.now.Unix()+6)))
	add("an iat beyond the skew", auth.TokenNotYetValid, k.session(authtest.With("iat", k.now.Unix()+6)))
	add("a lifetime that is too long", auth.TokenLifetimeTooLong, k.session(authtest.ExpiresIn(25*time.Hour)))

	add("no sub", auth.ClaimMissing, k.session(authtest.Without("sub")))
	add("an empty sub", auth.ClaimInvalid, k.session(authtest.With("sub", "")))
	add("a sub that is a number", auth.ClaimInvalid, k.session(authtest.With("sub", 7)))
	add("a sub with a control character", auth.ClaimInvalid, k.session(authtest.With("sub", "user_ada\n")))

	add("no iss", auth.ClaimMissing, k.session(authtest.Without("iss")))
	add("an issuer that is not trusted", auth.IssuerUntrusted, k.session(authtest.With("iss", "https://evil.example.com")))
	add("an issuer that begins like ours", auth.IssuerUntrusted, k.session(authtest.With("iss", k.clerk.URL()+".evil.example.com")))
	add("an issuer with a slash too many", auth.IssuerUntrusted, k.session(authtest.With("iss", k.clerk.URL()+"/")))
	add("an issuer in capitals", auth.IssuerUntrusted, k.session(authtest.With("iss", strings.ToUpper(k.clerk.URL()))))

	add("no aud where one is asked for", auth.AudienceMismatch, k.access(authtest.Without("aud")))
	add("another audience", auth.AudienceMismatch, k.access(authtest.With("aud", "https://other.example.com")))
	add("an empty list of audiences", auth.AudienceMismatch, k.access(authtest.With("aud", []string{})))
	add("an audience that is a number", auth.ClaimInvalid, k.access(authtest.With("aud", 7)))
	add("a list with a number for an audience", auth.ClaimInvalid, k.access(authtest.With("aud", []any{audience, 7})))
	add("no azp where one is asked for", auth.AuthorizedPartyMismatch, k.session(authtest.Without("azp")))
	add("another authorized party", auth.AuthorizedPartyMismatch, k.session(authtest.With("azp", "https://evil.example.com")))
	add("an authorized party with a slash too many", auth.AuthorizedPartyMismatch, k.session(authtest.With("azp", party+"/")))

	add("a template's token", auth.TokenKindUnsupported, k.clerk.Template(ada, authtest.With("azp", party)))
	add("an OAuth token", auth.TokenKindUnsupported, k.clerk.OAuth(ada, authtest.With("azp", party)))
	add("a machine's token", auth.TokenKindUnsupported, k.clerk.Machine("mch_billing", authtest.With("azp", party)))
	add("a session that is pending", auth.SessionPending, k.session(authtest.With("sts", "pending")))
	return cases
}

// badCallers are known, and may not call all the same.
func (k *kit) badCallers() []testCase {
	var cases []testCase
	add := func(name, service string, want auth.Reason, h http.Header) {
		cases = append(cases, testCase{name: name, want: want, attempt: attempt{service: service, header: h, body: hello}})
	}
	member := func(permissions ...string) http.Header {
		return bearer(k.session(authtest.InOrganization("org_acme", "acme", "member", permissions...)))
	}
	add("a caller in no organization where a role is asked for", adminsOnly, auth.RoleRequired, bearer(k.session()))
	add("a caller with another role", adminsOnly, auth.RoleRequired, member())
	add("a caller without the permission", readersOnly, auth.PermissionRequired, member("invoices:write"))
	needs := func(demand auth.Demand) { cases[len(cases)-1].demand = &demand }
	add("a caller without the scope", scopedOnly, auth.ScopeRequired, bearer(k.wide.OAuth(ada, authtest.With("scope", "profile"))))
	needs(auth.Demand{Scopes: []string{"email"}})
	add("a stranger where a scope is asked for", scopedOnly, auth.TokenMissing, nil)
	needs(auth.Demand{Scopes: []string{"email"}})
	add("a machine where a user is asked for", usersOnly, auth.KindNotAllowed, bearer(k.wide.Machine("mch_billing")))
	add("a caller who acts in no organization", membersOnly, auth.OrganizationRequired, bearer(k.session()))
	add("a caller without the feature", featureOnly, auth.FeatureRequired, bearer(k.session(authtest.With("fea", "u:reports"))))
	add("a caller without the plan", planOnly, auth.FeatureRequired, bearer(k.session(authtest.With("pla", "u:pro"))))
	add("a verification too long ago", freshOnly, auth.ReverificationRequired, bearer(k.session(authtest.With("fva", []int{10, 0}))))
	needs(auth.Demand{MaxAge: 10 * time.Minute})
	add("a token that does not say when its caller was verified", freshOnly, auth.ReverificationRequired, bearer(k.session(authtest.Without("fva"))))
	needs(auth.Demand{MaxAge: 10 * time.Minute})
	add("a user of an OpenID provider who has to step up", freshOnly, auth.ReverificationRequired, bearer(k.access()))
	needs(auth.Demand{MaxAge: 10 * time.Minute, StepUp: true})
	add("a condition on the identity that does not hold", acmeOnly, auth.ConditionNotMet, bearer(k.session(authtest.InOrganization("org_else", "else", "admin"))))
	add("a condition on what the token does not say", acmeOnly, auth.ConditionNotMet, bearer(k.session()))
	add("a stranger where a role is asked for", adminsOnly, auth.TokenMissing, nil)
	add("a bad token on a public method", public, auth.SignatureInvalid, bearer(k.forged()))
	add("a caller of a method that has no rule", unruled, auth.AuthFailure, bearer(k.session()))
	add("a stranger at a method that has no rule", unruled, auth.TokenMissing, nil)
	return cases
}
