package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server"
	"github.com/ostiary/ostiary/server/settings"
)

// token makes the checks that the server makes of the token that was given, and goes on after
// one has failed: of a token that has expired it says whether it was right before.
func (p *patient) token(ctx context.Context) []Finding {
	if p.Token == "" {
		return nil
	}
	const subject = "the token on standard input"
	parsed, err := unverified.Parse(p.Token)
	if err != nil {
		return []Finding{fault("token.malformed", subject, err.Error(), "it is refused with TOKEN_MALFORMED", "give an access token as the client sends it, whole and without quotes")}
	}
	at := p.issuerOf(parsed.Issuer())
	if at < 0 {
		return []Finding{p.untrusted(parsed.Issuer())}
	}
	trusted := settings.Config{Issuers: p.Settings.Server.Issuers[at : at+1]}
	explanation, _, err := server.ExplainToken(ctx, trusted, unverified.Trim(p.Token))
	if err != nil {
		return []Finding{warning("token.unchecked", subject, "it cannot be verified: "+err.Error(), "it is not known whether the server accepts it", "correct the settings of the issuer first")}
	}
	var findings []Finding
	for _, check := range explanation {
		if check.Refusal != nil {
			findings = append(findings, p.refused(at, parsed, check.Refusal))
		}
	}
	if findings == nil {
		return []Finding{ok("token.accepted", subject, "it is accepted as one of "+parsed.Issuer())}
	}
	return findings
}

// issuerOf returns which of the issuers a token may be of; -1 for none.
func (p *patient) issuerOf(iss string) int {
	for i := range p.Settings.Server.Issuers {
		issuer := &p.Settings.Server.Issuers[i]
		for _, name := range append([]string{issuer.URL}, issuer.Aliases...) {
			if name == iss {
				return i
			}
		}
		for _, tenant := range issuer.Tenants {
			if strings.ReplaceAll(issuer.URL, "{tenantid}", tenant) == iss {
				return i
			}
		}
		if strings.HasPrefix(issuer.URL, "spiffe://") && iss == "" {
			return i
		}
	}
	return -1
}

// untrusted explains an iss that no issuer has.
func (p *patient) untrusted(iss string) Finding {
	var written []string
	remedy := "correct " + p.Settings.NameOf("issuer") + ", or have the client send a token of that issuer"
	what := fmt.Sprintf("its iss is %q, and that is none of the issuers", iss)
	for i := range p.Settings.Server.Issuers {
		url := p.Settings.Server.Issuers[i].URL
		written = append(written, url)
		if how := difference(url, iss); how != "" {
			what += how
			remedy = fmt.Sprintf("set %s to %s", p.Settings.NameOfIssuer(i, "url"), iss)
		} else if isDevelopment(url) != isDevelopment(iss) && (isDevelopment(url) || isDevelopment(iss)) {
			remedy = "one of them is of Clerk's development environment, the other is not: take issuer and keys from the instance that the page signs in with"
		}
	}
	if len(written) > 0 {
		what += "; the settings have " + strings.Join(written, ", ")
	}
	return fault("token.issuer_untrusted", "the token on standard input", what, "it is refused with ISSUER_UNTRUSTED", remedy)
}

// refused explains a refusal, with what is configured beside what came.
func (p *patient) refused(at int, parsed *unverified.Token, refusal *auth.Error) Finding {
	issuer := &p.Settings.Server.Issuers[at]
	what := refusal.Sentence()
	if cause := refusal.Unwrap(); cause != nil {
		what = cause.Error()
	}
	name := func(key string) string { return p.Settings.NameOfIssuer(at, key) }
	remedy := "ostiary token explain shows every check; docs/troubleshooting.md has what to do"
	switch refusal.Reason {
	case auth.TokenExpired:
		remedy = "fetch a fresh token for each call: Clerk's session tokens live for a minute. If this one is fresh, the clock of this machine is ahead"
	case auth.TokenNotYetValid:
		remedy = "set the clock of this machine right; " + name("skew") + " is what is tolerated"
	case auth.AudienceMismatch:
		what += fmt.Sprintf("; %s is %s", name("audiences"), strings.Join(issuer.Audiences, ", "))
		remedy = "set " + name("audiences") + " to the aud of the token, or the audience of the JWT template to that; the client must ask for a token of this template"
		if !parsed.Has("aud") {
			what = "the token has no aud; " + name("audiences") + " is " + strings.Join(issuer.Audiences, ", ")
			remedy = "set the audience in the JWT template, or have the client ask for a token of the template that has it; without a template, leave " + name("audiences") + " out and set " + name("authorized_parties")
		}
	case auth.AuthorizedPartyMismatch:
		what += fmt.Sprintf("; %s is %s", name("authorized_parties"), strings.Join(issuer.AuthorizedParties, ", "))
		remedy = "add the azp of the token to " + name("authorized_parties") + ", exactly as it is there: browsers send origins without a slash at the end"
	case auth.TokenKindUnsupported:
		remedy = "add the kind to " + name("accept_kinds") + " if such callers should come in; a token of a JWT template is accepted only where " + name("audiences") + " is set; an ID token is meant for the client, so send the access token"
	case auth.KeyUnknown, auth.SignatureInvalid:
		remedy = "the token is of another instance than the keys, or was changed: compare iss and kid with the issuer's dashboard; " + name("jwt_key") + " must belong to the same instance"
	case auth.KeysUnavailable:
		remedy = "see the findings about this issuer"
	default:
	}
	return fault("token."+strings.ToLower(refusal.Reason.String()), "the token on standard input", what, "it is refused with "+refusal.Reason.String(), remedy)
}
