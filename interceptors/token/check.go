package token

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// checkClaims reads the claims of a token whose signature holds, and holds them
// against what is asked of the issuer's tokens.
func (i *Issuer) checkClaims(h header, c *claims, now time.Time) (*auth.Identity, error) {
	kind := i.kind(h, c)
	if !slices.Contains(i.Kinds, kind) {
		return nil, auth.Errorf(auth.TokenKindUnsupported, "%s; accepted from %s: %s", kindFault(kind, c.mark), i.URL, i.KindNames())
	}
	if c.has("cnf") && !i.AllowUnboundConfirmation {
		return nil, auth.Errorf(auth.TokenBindingUnchecked, "the token is bound to a key by cnf, and nothing checks the binding")
	}
	id := i.Profile.identity(c, kind)
	if id.ExpiresAt.Before(id.NotBefore) || id.ExpiresAt.Before(id.IssuedAt) {
		c.invalid("exp", "is before nbf or iat")
	}
	if c.fault != nil {
		return nil, c.fault
	}
	id.Issuer = i.URL
	id.Leeway = i.Skew
	if err := i.checkTimes(id, now); err != nil {
		return nil, err
	}
	if err := i.acceptsParties(id); err != nil {
		return nil, err
	}
	if c.pending {
		return nil, auth.Errorf(auth.SessionPending, "the session %s has an outstanding task", id.SessionID)
	}
	return id, nil
}

// verifiedToken returns what a token whose signature holds says of itself, also where its
// claims are at fault.
func (i *Issuer) verifiedToken(c *claims, key *jwks.Key) auth.VerifiedToken {
	return auth.VerifiedToken{
		Issuer:    i.URL,
		Subject:   cmp.Or(c.firstWord(i.Profile.Subject), c.word("sub")),
		SessionID: c.firstWord(i.Profile.Session),
		KeyID:     key.ID(),
		TokenID:   c.word("jti"),
	}
}

// kind returns the kind of the token, in which a client of our own acts for nobody
// else: its tokens are the user's sessions.
func (i *Issuer) kind(h header, c *claims) auth.TokenKind {
	kind := i.Profile.kind(h, c)
	if kind == auth.KindOAuth && slices.Contains(i.FirstPartyClients, i.Profile.clientOf(c)) {
		return auth.KindSession
	}
	return kind
}

// kindFault says what a token that is refused for its kind is, for logs.
func kindFault(kind auth.TokenKind, mark string) string {
	if kind == 0 {
		return "by its " + cmp.Or(mark, "claims") + " the token is no credential, but one to refresh, to sign out, to report an event or the like"
	}
	return fmt.Sprintf("a token of kind %s", kind)
}

// checkTimes judges exp, nbf, iat and the lifetime (RFC 7519, section 4.1). The
// last instant at which a token counts is just before exp plus the skew.
func (i *Issuer) checkTimes(id *auth.Identity, now time.Time) error {
	if !now.Before(id.ExpiresAt.Add(i.Skew)) {
		return auth.Errorf(auth.TokenExpired, "expired %s ago", now.Sub(id.ExpiresAt).Round(time.Second))
	}
	if err := i.checkBegun(id.NotBefore, id.IssuedAt, now); err != nil {
		return err
	}
	born := id.IssuedAt
	if born.IsZero() {
		born = now
	}
	if lifetime := id.ExpiresAt.Sub(born); lifetime > i.MaxLifetime {
		return auth.Errorf(auth.TokenLifetimeTooLong, "lives for %s, the limit is %s", lifetime, i.MaxLifetime)
	}
	return nil
}

// checkBegun judges nbf and iat.
func (i *Issuer) checkBegun(notBefore, issuedAt, now time.Time) error {
	latest := now.Add(i.Skew)
	if notBefore.After(latest) || issuedAt.After(latest) {
		return auth.Errorf(auth.TokenNotYetValid, "nbf is %s ahead, iat %s ahead", ahead(notBefore, now), ahead(issuedAt, now))
	}
	return nil
}

func ahead(t, now time.Time) time.Duration {
	return max(0, t.Sub(now).Round(time.Second))
}

// acceptsParties judges aud and azp, by exact equality.
func (i *Issuer) acceptsParties(id *auth.Identity) error {
	if len(i.Audiences) > 0 && !slices.ContainsFunc(id.Audience, func(a string) bool {
		return slices.Contains(i.Audiences, a)
	}) {
		return auth.Errorf(auth.AudienceMismatch, "audience %.200q is not one of those of %s", id.Audience, i.URL)
	}
	if len(i.AuthorizedParties) == 0 || slices.Contains(i.AuthorizedParties, id.AuthorizedParty) {
		return nil
	}
	if i.AllowMissingAuthorizedParty && id.AuthorizedParty == "" {
		return nil
	}
	return auth.Errorf(auth.AuthorizedPartyMismatch, "authorized party %.200q is not one of those of %s", id.AuthorizedParty, i.URL)
}
