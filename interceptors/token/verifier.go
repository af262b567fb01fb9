package token

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
	"github.com/ostiary/ostiary/internal/logtext"
)

// A Verifier verifies bearer tokens of the issuers that it was made with. It is
// an [auth.Authenticator] and safe for concurrent use. The zero value is not
// usable: make one with [New].
type Verifier struct {
	issuers       map[string]*Issuer // by each spelling of iss
	trusted       []Issuer           // in the order of the Config
	maxBytes      int
	cache         *cache
	verifications sync.Pool // of *verification
	now           func() time.Time
	notices       notices
}

var (
	_ auth.Authenticator = (*Verifier)(nil)
	_ auth.Watcher       = (*Verifier)(nil)
)

// New returns a Verifier. Its error names everything that is wrong with cfg,
// not just the first.
func New(cfg Config) (*Verifier, error) {
	v := &Verifier{
		issuers:       make(map[string]*Issuer, len(cfg.Issuers)),
		verifications: sync.Pool{New: func() any { return new(verification) }},
		now:           cfg.Now,
		notices:       notices{logger: cmp.Or(cfg.Logger, slog.Default())},
	}
	var faults []error
	if len(cfg.Issuers) == 0 {
		faults = append(faults, errors.New("no issuer: name at least one whose tokens are trusted"))
	}
	if cfg.MaxTokenBytes < 0 {
		faults = append(faults, errors.New("MaxTokenBytes is negative"))
	}
	for _, issuer := range cfg.Issuers {
		if err := issuer.normalize(cfg.MaxTokenBytes); err != nil {
			faults = append(faults, err)
		}
		for _, one := range issuer.tenants() {
			if err := v.trust(&one); err != nil {
				faults = append(faults, err)
			}
		}
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

// trust adds an issuer under each spelling of its iss.
func (v *Verifier) trust(issuer *Issuer) error {
	var faults []error
	for _, name := range append([]string{issuer.URL}, issuer.Aliases...) {
		switch known := v.issuers[name]; {
		case known == nil:
			v.issuers[name] = issuer
		case known != issuer:
			faults = append(faults, fmt.Errorf("issuer %q: given twice", name))
		}
	}
	v.trusted = append(v.trusted, *issuer)
	v.maxBytes = max(v.maxBytes, issuer.MaxTokenBytes)
	return errors.Join(faults...)
}

// Issuers returns the trusted issuers as they are in force: with every default
// filled in, and one for each tenant. Use it to log what is accepted, such as the
// kinds of each. Their lists are the verifier's own and must not be changed.
func (v *Verifier) Issuers() []Issuer { return slices.Clone(v.trusted) }

// CacheStatus returns what the cache of verified tokens did and holds, for metrics. It is
// all zero where the Verifier keeps none.
func (v *Verifier) CacheStatus() CacheStatus { return v.cache.status() }

// Close closes the key sets of its issuers that can be closed, which ends their
// fetching. Tokens are verified with the keys that are there for as long as those count.
func (v *Verifier) Close() error {
	var faults []error
	closed := make(map[io.Closer]bool) // tenants share a set
	for _, issuer := range v.trusted {
		if keys, ok := issuer.Keys.(io.Closer); ok && !closed[keys] {
			closed[keys] = true
			faults = append(faults, keys.Close())
		}
	}
	return errors.Join(faults...)
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
// TokenTooLarge, TokenMalformed, ClaimMissing or ClaimInvalid for iss,
// IssuerUntrusted, TokenTooLarge for the issuer's own limit, AlgorithmNotAllowed,
// KeysUnavailable, KeyUnknown, SignatureInvalid; and of a token whose signature
// holds, with Verified set to what it says of itself, TokenKindUnsupported, TokenBindingUnchecked, ClaimMissing, ClaimInvalid,
// TokenExpired, TokenNotYetValid, TokenLifetimeTooLong, AudienceMismatch,
// AuthorizedPartyMismatch, SessionPending.
func (v *Verifier) Verify(ctx context.Context, raw string) (*auth.Identity, error) {
	if err := v.checkSize(raw); err != nil { // before all of it is hashed
		return nil, err
	}
	d := sha256.Sum256(bytesOf(raw))
	if v.cache != nil {
		hit := v.cache.get(&d)
		v.cache.count(&d, hit != nil)
		if hit != nil {
			return hit.recall(v.now())
		}
	}
	return v.verify(ctx, raw, &d)
}

// verify is Verify for a token that is not in the cache. It is apart so that Verify takes
// little of the stack: to grow it costs more than the look-up does.
func (v *Verifier) verify(ctx context.Context, raw string, d *digest) (*auth.Identity, error) {
	t := v.begin(raw)
	defer v.end(t)
	if err := t.run(ctx, lookupSteps); err != nil {
		return nil, err
	}
	// Many calls may have waited for the same key with the same token.
	if hit := v.cache.get(d); hit != nil {
		return hit.recall(v.now())
	}
	if err := t.run(ctx, signatureSteps); err != nil {
		return nil, err
	}
	t.now = v.now()
	if err := t.run(ctx, claimSteps); err != nil {
		return nil, auth.AsVerified(err, t.issuer.verifiedToken(&t.token.Claims, t.key, d))
	}
	id := t.proven(d)
	v.notices.warn(t.issuer.URL, t.token.Unread, t.now)
	v.cache.put(verdict{digest: *d, identity: id, issuer: t.issuer, key: t.key}, t.now)
	return id, nil
}

// issuerOf returns the trusted issuer that the token claims to be from: by iss,
// or by the trust domain of a SPIFFE ID. It is all that is read before the
// signature is checked: it says with whose keys to check.
func (v *Verifier) issuerOf(c *claims.Claims) (*Issuer, error) {
	name, isText := c.Get("iss").Text()
	if issuer := v.issuers[name]; issuer != nil && !issuer.Profile.provider.BySubject {
		return issuer, nil
	}
	if domain := provider.TrustDomain(c.Word("sub")); domain != "" && v.issuers[domain] != nil {
		return v.issuers[domain], nil
	}
	switch {
	case !c.Has("iss"):
		c.Missing("iss")
		return nil, c.Fault
	case !isText:
		c.Invalid("iss", "is not a string")
		return nil, c.Fault
	default:
		return nil, auth.NewError(auth.IssuerUntrusted, &untrustedError{name, v})
	}
}

// An untrustedError makes its text only if somebody wants it: anybody can cause it, as often
// as they like.
type untrustedError struct {
	name     string
	verifier *Verifier
}

func (e *untrustedError) Error() string {
	configured := slices.Sorted(maps.Keys(e.verifier.issuers))
	return "issuer " + logtext.Quoted(e.name) + " is not configured; configured: " + logtext.List(configured) + nearMiss([]string{e.name}, configured)
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

// refuseKey returns the refusal for an error of a key set.
func refuseKey(err error, i *Issuer, h header) error {
	reason := auth.KeysUnavailable // also when the caller's context has ended
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

// A signer is the auth.Key of the identities that a key has verified.
type signer struct {
	key    *jwks.Key
	issuer *Issuer
}

// Withdrawn implements auth.Key. It gives the reason that a cold verification of
// the token would give.
func (s *signer) Withdrawn() error {
	if s.key.Live() {
		return nil
	}
	if set, ok := s.issuer.Keys.(interface{ Ready() bool }); ok && !set.Ready() {
		return auth.Errorf(auth.KeysUnavailable, "the keys of %s are too old", s.issuer.URL)
	}
	return auth.Errorf(auth.KeyUnknown, "%s no longer publishes the key", s.issuer.URL)
}

// Watch implements [auth.Watcher]: changed is called whenever the keys of an issuer
// have changed, until stop is called.
func (v *Verifier) Watch(changed func()) (stop func()) {
	var stops []func()
	for _, issuer := range v.trusted {
		if set, ok := issuer.Keys.(jwks.Watcher); ok {
			stops = append(stops, set.Watch(changed))
		}
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// A token is hashed, decoded and verified as bytes, and its claims are kept as
// strings. Copying between the two would cost more than all the parsing; these
// two conversions share the memory instead. They are right only because nobody
// writes to a byte that a string shares: bytesOf's result is only read, and
// stringOf's argument is given up by its owner.

func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}

func stringOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
}
