package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// A Verifier verifies bearer tokens of the issuers that it was made with. It is
// an [auth.Authenticator] and safe for concurrent use. The zero value is not
// usable: make one with [New].
type Verifier struct {
	issuers  map[string]*Issuer
	maxBytes int
	cache    *cache
	claims   sync.Pool // of *claims
	now      func() time.Time
}

var (
	_ auth.Authenticator = (*Verifier)(nil)
	_ auth.Watcher       = (*Verifier)(nil)
)

// New returns a Verifier. Its error names everything that is wrong with cfg,
// not just the first.
func New(cfg Config) (*Verifier, error) {
	v := &Verifier{
		issuers:  make(map[string]*Issuer, len(cfg.Issuers)),
		maxBytes: cfg.MaxTokenBytes,
		claims:   sync.Pool{New: func() any { return new(claims) }},
		now:      cfg.Now,
	}
	var faults []error
	if len(cfg.Issuers) == 0 {
		faults = append(faults, errors.New("no issuer: name at least one whose tokens are trusted"))
	}
	for _, issuer := range cfg.Issuers {
		if err := issuer.normalize(); err != nil {
			faults = append(faults, err)
		}
		if v.issuers[issuer.URL] != nil {
			faults = append(faults, fmt.Errorf("issuer %q: given twice", issuer.URL))
		}
		v.issuers[issuer.URL] = &issuer
	}
	switch {
	case v.maxBytes == 0:
		v.maxBytes = DefaultMaxTokenBytes
	case v.maxBytes < 0:
		faults = append(faults, errors.New("MaxTokenBytes is negative"))
	}
	if v.now == nil {
		v.now = time.Now
	}
	v.cache = newCache(cmp.Or(cfg.CacheEntries, DefaultCacheEntries), cmp.Or(cfg.CacheBytes, DefaultCacheBytes))
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return v, nil
}

// Authenticate verifies the call's bearer token. Errors are those of
// [auth.BearerToken] and of Verify.
func (v *Verifier) Authenticate(ctx context.Context, call auth.Call) (*auth.Identity, error) {
	raw, err := auth.BearerToken(call.Header)
	if err != nil {
		return nil, err
	}
	return v.Verify(ctx, raw)
}

// Verify returns the identity that the token stands for. The context bounds
// the wait for the issuer's keys, which happens only when they are not there
// yet.
//
// Every error is an *auth.Error. In the order in which they are looked for:
// TokenTooLarge; TokenMalformed; ClaimMissing or ClaimInvalid for iss;
// IssuerUntrusted; AlgorithmNotAllowed; KeysUnavailable; KeyUnknown;
// SignatureInvalid; and of a token whose signature holds, TokenKindUnsupported,
// ClaimMissing, ClaimInvalid, TokenExpired, TokenNotYetValid,
// TokenLifetimeTooLong, AudienceMismatch, AuthorizedPartyMismatch,
// SessionPending.
func (v *Verifier) Verify(ctx context.Context, raw string) (*auth.Identity, error) {
	if len(raw) > v.maxBytes {
		return nil, auth.Errorf(auth.TokenTooLarge, "%d bytes, the limit is %d", len(raw), v.maxBytes)
	}
	var d digest
	if v.cache != nil {
		d = digestOf(raw)
		if hit := v.cache.get(&d); hit != nil {
			return hit.recall(v.now())
		}
	}
	c := v.claims.Get().(*claims) //nolint:forcetypeassert // nothing else is put there
	defer v.claims.Put(c)
	jws, err := parseCompact(c, raw)
	if err != nil {
		return nil, err
	}
	if err := c.parse(jws.payload); err != nil {
		return nil, err
	}
	issuer, err := v.issuerOf(c)
	if err != nil {
		return nil, err
	}
	keys, err := issuer.findKeys(ctx, jws.header)
	if err != nil {
		return nil, err
	}
	// Many calls may have waited for the same key with the same token.
	if hit := v.cache.get(&d); hit != nil {
		return hit.recall(v.now())
	}
	key, err := verifySignature(jws, keys)
	if err != nil {
		return nil, refuseKey(err, issuer, jws.header)
	}
	now := v.now()
	id, err := issuer.judge(jws.header, c, now)
	if err != nil {
		return nil, err
	}
	id.RawClaims, id.Key = jws.payload, &signer{key: key, issuer: issuer}
	v.cache.put(verdict{digest: d, identity: id, issuer: issuer, key: key}, now)
	return id, nil
}

// issuerOf returns the trusted issuer that the token claims to be from. It is
// the one claim that is read before the signature is checked: it says with
// whose keys to check.
func (v *Verifier) issuerOf(c *claims) (*Issuer, error) {
	iss := c.get("iss")
	if iss == "" {
		return nil, auth.Errorf(auth.ClaimMissing, "claim iss is missing")
	}
	url, ok := iss.Text()
	if !ok {
		return nil, auth.Errorf(auth.ClaimInvalid, "claim iss is not a string")
	}
	issuer := v.issuers[url]
	if issuer == nil {
		return nil, auth.Errorf(auth.IssuerUntrusted, "issuer %.200q is not configured", url)
	}
	return issuer, nil
}

// findKeys finds the keys that the token can mean, in the issuer's own set.
func (i *Issuer) findKeys(ctx context.Context, h header) ([]*jwks.Key, error) {
	if !slices.Contains(i.Algorithms, h.algorithm) {
		return nil, auth.Errorf(auth.AlgorithmNotAllowed, "algorithm %.20q is not on the list of %s", h.algorithm, i.URL)
	}
	keys, err := i.Keys.Lookup(ctx, h.hint())
	if err != nil {
		return nil, refuseKey(err, i, h)
	}
	return keys, nil
}

// verifySignature returns the key that the signature is of. A set may return any
// number of keys, but no forgery costs more than MaxCandidates checks.
func verifySignature(jws compact, keys []*jwks.Key) (*jwks.Key, error) {
	err := jwks.ErrUnknownKey
	for _, key := range keys[:min(len(keys), jwks.MaxCandidates)] {
		if err = key.Verify(jws.header.algorithm, jws.signingInput, jws.signature); err == nil {
			return key, nil
		}
	}
	return nil, err
}

// refuseKey gives an error of a key set its reason.
func refuseKey(err error, i *Issuer, h header) error {
	reason := auth.KeysUnavailable // or the end of the caller's patience
	switch {
	case errors.Is(err, jwks.ErrSignature):
		reason = auth.SignatureInvalid
	case errors.Is(err, jwks.ErrAlgorithm):
		reason = auth.AlgorithmNotAllowed
	case errors.Is(err, jwks.ErrUnknownKey):
		reason = auth.KeyUnknown
	}
	return auth.Errorf(reason, "%s of %s: %w", h.hint(), i.URL, err)
}

// judge reads the claims of a token whose signature holds, and holds them
// against what is asked of the issuer's tokens.
func (i *Issuer) judge(h header, c *claims, now time.Time) (*auth.Identity, error) {
	kind := i.Profile.kind(h, c)
	if !slices.Contains(i.Kinds, kind) {
		return nil, auth.Errorf(auth.TokenKindUnsupported, "kind %s is not accepted from %s", kind, i.URL)
	}
	id := i.Profile.identity(c)
	if c.fault != nil {
		return nil, c.fault
	}
	id.Issuer, id.Kind = i.URL, kind
	id.Leeway = i.Skew
	if err := i.checkTimes(id, now); err != nil {
		return nil, err
	}
	if err := i.checkParties(c, id); err != nil {
		return nil, err
	}
	if c.pending {
		return nil, auth.Errorf(auth.SessionPending, "the session %s has an outstanding task", id.SessionID)
	}
	return id, nil
}

// checkTimes judges exp, nbf, iat and the lifetime (RFC 7519, section 4.1). The
// last instant at which a token counts is just before exp plus the skew.
func (i *Issuer) checkTimes(id *auth.Identity, now time.Time) error {
	if !now.Before(id.ExpiresAt.Add(i.Skew)) {
		return auth.Errorf(auth.TokenExpired, "expired %s ago", now.Sub(id.ExpiresAt).Round(time.Second))
	}
	latest := now.Add(i.Skew)
	if id.NotBefore.After(latest) || id.IssuedAt.After(latest) {
		return auth.Errorf(auth.TokenNotYetValid, "nbf is %s ahead, iat %s ahead",
			ahead(id.NotBefore, now), ahead(id.IssuedAt, now))
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

func ahead(t, now time.Time) time.Duration {
	return max(0, t.Sub(now).Round(time.Second))
}

// checkParties judges aud and azp, by exact equality.
func (i *Issuer) checkParties(c *claims, id *auth.Identity) error {
	if len(i.Audiences) > 0 && !slices.ContainsFunc(id.Audience, func(a string) bool {
		return slices.Contains(i.Audiences, a)
	}) {
		return auth.Errorf(auth.AudienceMismatch, "audience %.200q is not one of those of %s", id.Audience, i.URL)
	}
	if len(i.AuthorizedParties) == 0 || slices.Contains(i.AuthorizedParties, id.AuthorizedParty) {
		return nil
	}
	if i.AllowMissingAuthorizedParty && !c.has(i.Profile.AuthorizedParty) {
		return nil
	}
	return auth.Errorf(auth.AuthorizedPartyMismatch, "authorized party %.200q is not one of those of %s", id.AuthorizedParty, i.URL)
}
