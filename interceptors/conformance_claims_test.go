package interceptors_test

import (
	"net/http"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

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
