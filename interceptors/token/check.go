package token

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
	"github.com/ostiary/ostiary/internal/logtext"
)

// verifiedToken returns what a token whose signature holds says of itself, also where its
// claims are at fault.
func (i *Issuer) verifiedToken(c *claims.Claims, key *jwks.Key, d *digest) auth.VerifiedToken {
	return auth.VerifiedToken{
		Issuer:    i.URL,
		Subject:   cmp.Or(firstOf(i.Profile.Subject, c.WordAt), c.Word("sub")),
		SessionID: firstOf(i.Profile.Session, c.WordAt),
		KeyID:     key.ID(),
		TokenID:   c.Word("jti"),
		TokenHash: hashOf(d),
	}
}

// kind returns the kind of the token, in which a client of our own acts for nobody
// else: its tokens are the user's sessions.
func (i *Issuer) kind(h header, t *provider.Token) auth.TokenKind {
	kind := i.Profile.kind(h, t)
	if kind == auth.KindOAuth && slices.Contains(i.FirstPartyClients, t.Client) {
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
		return auth.NewError(auth.TokenExpired, errors.New(logtext.Expired(id.ExpiresAt, now, i.Skew)+i.clocks()))
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
		return auth.Errorf(auth.TokenNotYetValid, "nbf is %s ahead, iat %s ahead: nbf %s, iat %s, now %s, leeway %s%s",
			ahead(notBefore, now), ahead(issuedAt, now), logtext.Time(notBefore), logtext.Time(issuedAt), logtext.Time(now), i.Skew, i.clocks())
	}
	return nil
}

// clocks says for logs that the clock of the issuer and ours differ by more than the skew, so that
// this may be why a token is refused; "" where they do not, or where it is not known.
func (i *Issuer) clocks() string {
	set, ok := i.Keys.(interface{ ClockAhead() time.Duration })
	if !ok {
		return ""
	}
	switch ahead := set.ClockAhead().Round(time.Second); {
	case ahead > i.Skew:
		return fmt.Sprintf("; this machine's clock is %s behind that of the issuer", ahead)
	case -ahead > i.Skew:
		return fmt.Sprintf("; this machine's clock is %s ahead of that of the issuer", -ahead)
	default:
		return ""
	}
}

func ahead(t, now time.Time) time.Duration {
	return max(0, t.Sub(now).Round(time.Second))
}

// checkLifetime judges the time from iat, or from now where there is none, to exp.
func (i *Issuer) checkLifetime(id *auth.Identity, now time.Time) error {
	if lifetime := lifetimeOf(id, now); lifetime > i.MaxLifetime {
		return auth.Errorf(auth.TokenLifetimeTooLong, "lives for %s, the limit is %s: iat %s, exp %s", lifetime, i.MaxLifetime, logtext.Time(id.IssuedAt), logtext.Time(id.ExpiresAt))
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
		return auth.Errorf(auth.AudienceMismatch, "the token of %s has aud %s; configured: %s%s", i.URL, logtext.List(id.Audience), logtext.List(i.Audiences), nearMiss(id.Audience, i.Audiences))
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
	return auth.Errorf(auth.AuthorizedPartyMismatch, "the token of %s has the authorized party (azp) %s; configured: %s%s",
		i.URL, logtext.Quoted(id.AuthorizedParty), logtext.List(i.AuthorizedParties), nearMiss([]string{id.AuthorizedParty}, i.AuthorizedParties))
}

// nearMiss says which of the values that came looks like one that is configured, and by what
// they differ; "" for none.
func nearMiss(got, configured []string) string {
	for _, value := range got {
		if by := logtext.NearMiss(value, configured); by != "" {
			return "; " + logtext.Quoted(value) + " " + by
		}
	}
	return ""
}
