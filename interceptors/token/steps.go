package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
)

// A verification is a token that is being checked, and what the steps have found of it so far.
type verification struct {
	token provider.Token
	room  room

	verifier *Verifier
	raw      string
	now      time.Time // when the claims are judged

	jws      compact
	hasJWS   bool
	issuer   *Issuer
	keys     []*jwks.Key // that can have signed it
	key      *jwks.Key   // that has
	kind     auth.TokenKind
	identity *auth.Identity
}

// begin returns the verification of a token, in memory that was used before.
func (v *Verifier) begin(raw string) *verification {
	t := v.verifications.Get().(*verification) //nolint:forcetypeassert // nothing else is put there
	t.verifier, t.raw = v, raw
	return t
}

// end gives the memory of a verification back, with nothing of the token in it.
func (v *Verifier) end(t *verification) {
	*t = verification{}
	v.verifications.Put(t)
}

// A step is one check. Verify takes the steps in turn until one fails, and Explain takes all
// that can be taken.
type step struct {
	name string
	// check returns why the token is refused. It relies on what the steps before it found.
	check func(context.Context, *verification) error
	// needs reports whether the steps before it found what check relies on.
	needs func(*verification) bool
	// compared returns what is configured and what the token has, once check has run.
	compared func(*verification) (configured, received string)
}

// The steps, in order. The first ones read what anybody can write, to find the issuer and its
// keys; the last ones judge the claims.
var (
	lookupSteps = []step{
		{"size", checkSize, always, compareSize},
		{"form", checkForm, always, compareForm},
		{"issuer", checkIssuer, hasForm, compareIssuer},
		{"size for the issuer", checkIssuerSize, hasIssuer, compareIssuerSize},
		{"algorithm", checkAlgorithm, hasIssuer, compareAlgorithm},
		{"key", checkKey, hasAlgorithm, compareKey},
	}
	signatureSteps = []step{
		{"signature", checkSignature, hasKeys, compareSignature},
	}
	claimSteps = []step{
		{"kind", checkKind, hasIssuer, compareKind},
		{"binding", checkBinding, hasIssuer, compareBinding},
		{"claims", checkIdentity, hasIssuer, compareClaims},
		{"expiry", onIdentity((*Issuer).checkExpiry), hasIdentity, compareExpiry},
		{"start", onIdentity((*Issuer).checkStart), hasIdentity, compareStart},
		{"lifetime", onIdentity((*Issuer).checkLifetime), hasIdentity, compareLifetime},
		{"audience", onIdentity((*Issuer).checkAudience), hasIdentity, compareAudience},
		{"authorized party", onIdentity((*Issuer).checkAuthorizedParty), hasIdentity, compareAuthorizedParty},
		{"session", checkSession, hasIdentity, compareSession},
	}
)

func always(*verification) bool        { return true }
func hasForm(t *verification) bool     { return t.hasJWS }
func hasIssuer(t *verification) bool   { return t.issuer != nil }
func hasKeys(t *verification) bool     { return len(t.keys) > 0 }
func hasIdentity(t *verification) bool { return t.identity != nil }
func hasAlgorithm(t *verification) bool {
	return hasIssuer(t) && t.issuer.allows(t.jws.header.algorithm)
}

// run takes steps until one fails.
func (t *verification) run(ctx context.Context, steps []step) error {
	for i := range steps {
		if err := steps[i].check(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// proven returns the identity of a token whose steps were all taken, with what proves it.
func (t *verification) proven(d *digest) *auth.Identity {
	id := t.identity
	id.RawClaims, id.Key, id.KeyID, id.TokenHash = t.jws.payload, &signer{key: t.key, issuer: t.issuer}, t.key.ID(), hashOf(d)
	return id
}

func checkSize(_ context.Context, t *verification) error { return t.verifier.checkSize(t.raw) }

func (v *Verifier) checkSize(raw string) error {
	if len(raw) > v.maxBytes {
		return auth.Errorf(auth.TokenTooLarge, "%d bytes, the limit is %d", len(raw), v.maxBytes)
	}
	return nil
}

func checkForm(_ context.Context, t *verification) (err error) {
	if t.jws, err = parseCompact(&t.room, t.raw); err != nil {
		return err
	}
	if err := t.token.Parse(t.jws.payload); err != nil {
		return err
	}
	t.hasJWS = true
	return nil
}

func checkIssuer(_ context.Context, t *verification) (err error) {
	t.issuer, err = t.verifier.issuerOf(&t.token.Claims)
	return err
}

func checkIssuerSize(_ context.Context, t *verification) error {
	if limit := t.issuer.MaxTokenBytes; len(t.raw) > limit {
		return auth.Errorf(auth.TokenTooLarge, "%d bytes, the limit of %s is %d", len(t.raw), t.issuer.URL, limit)
	}
	return nil
}

func checkAlgorithm(_ context.Context, t *verification) error {
	if algorithm := t.jws.header.algorithm; !t.issuer.allows(algorithm) {
		return auth.Errorf(auth.AlgorithmNotAllowed, "algorithm %.20q is not on the list of %s: %s", algorithm, t.issuer.URL, strings.Join(t.issuer.Algorithms, ", "))
	}
	return nil
}

func (i *Issuer) allows(algorithm string) bool { return slices.Contains(i.Algorithms, algorithm) }

// checkKey finds the keys that the token can mean, in the issuer's own set.
func checkKey(ctx context.Context, t *verification) (err error) {
	if t.keys, err = t.issuer.Keys.Lookup(ctx, t.jws.header.hint()); err != nil {
		return refuseKey(err, t.issuer, t.jws.header)
	}
	return nil
}

func checkSignature(_ context.Context, t *verification) (err error) {
	if t.key, err = verifySignature(t.jws, t.keys); err != nil {
		return refuseKey(err, t.issuer, t.jws.header)
	}
	return nil
}

func checkKind(_ context.Context, t *verification) error {
	t.kind = t.issuer.kind(t.jws.header, &t.token)
	if !slices.Contains(t.issuer.Kinds, t.kind) {
		return auth.Errorf(auth.TokenKindUnsupported, "%s; accepted from %s: %s", kindFault(t.kind, t.token.Mark), t.issuer.URL, t.issuer.KindNames())
	}
	return nil
}

func checkBinding(_ context.Context, t *verification) error {
	if t.token.Has("cnf") && !t.issuer.AllowUnboundConfirmation {
		return auth.Errorf(auth.TokenBindingUnchecked, "the token is bound to a key by cnf, and nothing checks the binding")
	}
	return nil
}

// checkIdentity reads the claims.
func checkIdentity(_ context.Context, t *verification) error {
	id := t.issuer.Profile.identity(&t.token, t.kind)
	if id.ExpiresAt.Before(id.NotBefore) || id.ExpiresAt.Before(id.IssuedAt) {
		t.token.Invalid("exp", "is before nbf or iat")
	}
	if t.token.Fault != nil {
		return t.token.Fault
	}
	id.Issuer = t.issuer.URL
	id.Leeway = t.issuer.Skew
	t.identity = id
	return nil
}

// onIdentity makes a check of a step of one that needs the identity alone.
func onIdentity(check func(*Issuer, *auth.Identity, time.Time) error) func(context.Context, *verification) error {
	return func(_ context.Context, t *verification) error { return check(t.issuer, t.identity, t.now) }
}

func checkSession(_ context.Context, t *verification) error {
	if t.token.Pending {
		return auth.Errorf(auth.SessionPending, "the session %s has an outstanding task", t.identity.SessionID)
	}
	return nil
}
