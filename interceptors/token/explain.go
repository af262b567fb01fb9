package token

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// A Check is one thing that [Verifier.Verify] checks of a token, and what came of it.
type Check struct {
	// Name says what is checked, such as audience.
	Name string
	// Configured is what the settings ask for, and Received what the token has, in words. They
	// name issuers, audiences, clients, subjects and times, and never hold a part of the token
	// as it was sent. Received is the token's word and may have any character.
	Configured, Received string
	// Skipped says that it could not be checked, because an earlier check failed.
	Skipped bool
	// Refusal is why the token is refused; nil if it passes, and if the check was skipped.
	Refusal *auth.Error
}

// An Explanation is every check of a token, in the order in which they are made.
type Explanation []Check

// Refusal returns the refusal that Verify returns: that of the first check which failed. It
// is nil where the token is accepted.
func (e Explanation) Refusal() *auth.Error {
	for _, check := range e {
		if check.Refusal != nil {
			return check.Refusal
		}
	}
	return nil
}

// Verified reports whether the signature holds, so that what was received is the issuer's word.
func (e Explanation) Verified() bool {
	return slices.ContainsFunc(e, func(check Check) bool {
		return check.Name == signatureSteps[0].name && !check.Skipped && check.Refusal == nil
	})
}

// Explain makes the checks of Verify, and goes on after one has failed, with those that can
// still be made: for somebody who asks why a token is refused, also long after it expired.
// The checks that follow a failed signature say what would come of the claims if they were
// true, and so anybody can have written what they received.
//
// Like Verify it looks for keys in the sets of the configured issuers alone. It has neither
// the cache nor the speed of Verify, and a token of any size is read: it is for operators and
// not for the calls of strangers. The context bounds the wait for the issuer's keys.
// An Explanation is for people; nobody may be let in because of one.
//
// The identity is whom the token is for, if it is accepted, or would be but for its expiry; nil
// otherwise.
func (v *Verifier) Explain(ctx context.Context, raw string) (Explanation, *auth.Identity) {
	t := &verification{verifier: v, raw: raw}
	explanation := make(Explanation, 0, len(lookupSteps)+len(signatureSteps)+len(claimSteps))
	for _, steps := range [][]step{lookupSteps, signatureSteps, claimSteps} {
		t.now = v.now() // after the wait for the keys
		for i := range steps {
			explanation = append(explanation, t.explain(ctx, &steps[i]))
		}
	}
	for _, check := range explanation {
		if check.Skipped || check.Refusal != nil && check.Refusal.Reason != auth.TokenExpired {
			return explanation, nil
		}
	}
	d := sha256.Sum256(bytesOf(raw))
	return explanation, t.proven(&d)
}

// explain takes one step, if it can be taken.
func (t *verification) explain(ctx context.Context, s *step) Check {
	check := Check{Name: s.name}
	if !s.needs(t) {
		check.Skipped = true
		return check
	}
	key := t.key
	if err := s.check(ctx, t); err != nil {
		check.Refusal = auth.AsError(err)
		if key != nil {
			d := sha256.Sum256(bytesOf(t.raw))
			check.Refusal = auth.AsVerified(err, t.issuer.verifiedToken(&t.token.Claims, key, &d))
		}
	}
	check.Configured, check.Received = s.compared(t)
	return check
}

func compareSize(t *verification) (configured, received string) {
	return fmt.Sprintf("at most %d bytes", t.verifier.maxBytes), fmt.Sprintf("%d bytes", len(t.raw))
}

func compareForm(t *verification) (configured, received string) {
	configured = "a signed JWT in compact form"
	if !t.hasJWS {
		return configured, "something else"
	}
	received = "a JWT"
	if typ := t.jws.header.typ; typ != "" {
		received += fmt.Sprintf(" of typ %.100q", typ)
	}
	return configured, received
}

func compareIssuer(t *verification) (configured, received string) {
	var names []string
	for i := range t.verifier.trusted {
		names = append(names, t.verifier.trusted[i].URL)
		names = append(names, t.verifier.trusted[i].Aliases...)
	}
	return oneOf(names), word(&t.token.Claims, "iss")
}

func compareIssuerSize(t *verification) (configured, received string) {
	return fmt.Sprintf("at most %d bytes from %s", t.issuer.MaxTokenBytes, t.issuer.URL), fmt.Sprintf("%d bytes", len(t.raw))
}

func compareAlgorithm(t *verification) (configured, received string) {
	return oneOf(t.issuer.Algorithms), quote(t.jws.header.algorithm)
}

func compareKey(t *verification) (configured, received string) {
	configured = "the keys of " + t.issuer.URL
	if set, ok := t.issuer.Keys.(interface{ Status() jwks.Status }); ok {
		status := set.Status()
		var ids []string
		for _, key := range status.Keys {
			ids = append(ids, key.ID)
		}
		if configured += " at " + status.Source + ": none"; len(ids) > 0 {
			configured = strings.TrimSuffix(configured, "none") + oneOf(ids)
		}
	}
	return configured, t.jws.header.hint().String()
}

func compareSignature(t *verification) (configured, received string) {
	if t.key == nil {
		return "made with that key", "made with another key, or the token was changed since"
	}
	return "made with that key", "made with it"
}

func compareKind(t *verification) (configured, received string) {
	if t.kind == 0 {
		return t.issuer.KindNames(), kindFault(t.kind, t.token.Mark)
	}
	return t.issuer.KindNames(), t.kind.String()
}

func compareBinding(t *verification) (configured, received string) {
	configured = "not bound to a key, since nothing checks the binding"
	if t.issuer.AllowUnboundConfirmation {
		configured = "bound to a key or not, which is not checked"
	}
	if t.token.Has("cnf") {
		return configured, "bound to a key by cnf"
	}
	return configured, "not bound"
}

func compareClaims(t *verification) (configured, received string) {
	configured = "exp, a subject, and every claim readable by profile " + t.issuer.Profile.Name
	if t.identity == nil {
		return configured, t.token.Fault.Cause.Error()
	}
	received = "subject " + quote(t.identity.Subject)
	if len(t.token.Unread) > 0 {
		received += "; these cannot be read and grant nothing: " + list(t.token.Unread)
	}
	return configured, received
}

func compareExpiry(t *verification) (configured, received string) {
	return fmt.Sprintf("exp later than %s ago", t.issuer.Skew), "exp " + describeTime(t.identity.ExpiresAt, t.now)
}

func compareStart(t *verification) (configured, received string) {
	return fmt.Sprintf("nbf and iat at most %s ahead", t.issuer.Skew),
		"nbf " + describeTime(t.identity.NotBefore, t.now) + ", iat " + describeTime(t.identity.IssuedAt, t.now)
}

func compareLifetime(t *verification) (configured, received string) {
	return fmt.Sprintf("at most %s", t.issuer.MaxLifetime), lifetimeOf(t.identity, t.now).String()
}

func compareAudience(t *verification) (configured, received string) {
	return orAny(t.issuer.Audiences), list(t.identity.Audience)
}

func compareAuthorizedParty(t *verification) (configured, received string) {
	configured = orAny(t.issuer.AuthorizedParties)
	if t.issuer.AllowMissingAuthorizedParty && len(t.issuer.AuthorizedParties) > 0 {
		configured += ", or none"
	}
	return configured, list(slices.DeleteFunc([]string{t.identity.AuthorizedParty}, func(party string) bool { return party == "" }))
}

func compareSession(t *verification) (configured, received string) {
	configured = "without an outstanding task"
	switch {
	case t.token.Pending:
		return configured, "pending"
	case t.identity.SessionID == "":
		return configured, "no session"
	default:
		return configured, "session " + quote(t.identity.SessionID)
	}
}

// maxListed is how many of a list are named.
const maxListed = 20

// quote quotes a text, and cuts a long one.
func quote(text string) string { return fmt.Sprintf("%.200q", text) }

func list(texts []string) string {
	if len(texts) == 0 {
		return "none"
	}
	var quoted []string
	for _, text := range texts[:min(maxListed, len(texts))] {
		quoted = append(quoted, quote(text))
	}
	if more := len(texts) - maxListed; more > 0 {
		quoted = append(quoted, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(quoted, ", ")
}

func oneOf(texts []string) string {
	if len(texts) == 1 {
		return quote(texts[0])
	}
	return "one of " + list(texts)
}

func orAny(texts []string) string {
	if len(texts) == 0 {
		return "any"
	}
	return oneOf(texts)
}

// word returns a claim as it is compared.
func word(c *claims.Claims, name string) string {
	text, ok := c.Get(name).Text()
	switch {
	case !c.Has(name):
		return "none"
	case !ok:
		return "not a string"
	default:
		return quote(text)
	}
}

// describeTime says when something is, and how far from now.
func describeTime(at, now time.Time) string {
	switch distance := at.Sub(now).Round(time.Second); {
	case at.IsZero():
		return "not set"
	case distance > 0:
		return fmt.Sprintf("%s (in %s)", at.UTC().Format(time.RFC3339), distance)
	default:
		return fmt.Sprintf("%s (%s ago)", at.UTC().Format(time.RFC3339), -distance)
	}
}
