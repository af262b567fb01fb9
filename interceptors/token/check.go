package token

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

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

// checkTimes judges what changes with time, and all else that hangs on it: exp, nbf, iat and
// the lifetime (RFC 7519, section 4.1).
func (i *Issuer) checkTimes(id *auth.Identity, now time.Time) error {
	if err := i.checkExpiry(id, now); err != nil {
		return err
	}
	if err := i.checkStart(id, now); err != nil {
		return err
	}
	return i.checkLifetime(id, now)
}

// checkExpiry judges exp. The last instant at which a token counts is just before exp plus
// the skew.
func (i *Issuer) checkExpiry(id *auth.Identity, now time.Time) error {
	if !now.Before(id.ExpiresAt.Add(i.Skew)) {
		return auth.Errorf(auth.TokenExpired, "expired %s ago", now.Sub(id.ExpiresAt).Round(time.Second))
	}
	return nil
}

// checkStart judges nbf and iat.
func (i *Issuer) checkStart(id *auth.Identity, now time.Time) error {
	return i.checkBegun(id.NotBefore, id.IssuedAt, now)
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

// checkLifetime judges the time from iat, or from now where there is none, to exp.
func (i *Issuer) checkLifetime(id *auth.Identity, now time.Time) error {
	if lifetime := lifetimeOf(id, now); lifetime > i.MaxLifetime {
		return auth.Errorf(auth.TokenLifetimeTooLong, "lives for %s, the limit is %s", lifetime, i.MaxLifetime)
	}
	return nil
}

func lifetimeOf(id *auth.Identity, now time.Time) time.Duration {
	born := id.IssuedAt
	if born.IsZero() {
		born = now
	}
	return id.ExpiresAt.Sub(born)
}

// checkAudience judges aud, by exact equality.
func (i *Issuer) checkAudience(id *auth.Identity, _ time.Time) error {
	if len(i.Audiences) > 0 && !slices.ContainsFunc(id.Audience, func(a string) bool {
		return slices.Contains(i.Audiences, a)
	}) {
		return auth.Errorf(auth.AudienceMismatch, "audience %.200q is not one of those of %s", id.Audience, i.URL)
	}
	return nil
}

// checkAuthorizedParty judges azp, by exact equality.
func (i *Issuer) checkAuthorizedParty(id *auth.Identity, _ time.Time) error {
	if len(i.AuthorizedParties) == 0 || slices.Contains(i.AuthorizedParties, id.AuthorizedParty) {
		return nil
	}
	if i.AllowMissingAuthorizedParty && id.AuthorizedParty == "" {
		return nil
	}
	return auth.Errorf(auth.AuthorizedPartyMismatch, "authorized party %.200q is not one of those of %s", id.AuthorizedParty, i.URL)
}
