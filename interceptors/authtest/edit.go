package authtest

import "time"

// An Edit changes a token before it is signed. Edits are applied in order, so
// that a later one wins.
type Edit func(*Draft)

// A Draft is a token that is not signed yet. Write an Edit of your own where
// the ones below do not say what you mean.
type Draft struct {
	Header map[string]any
	Claims map[string]any

	issuer   *Issuer
	key      *Key
	issuedAt time.Time
	lifetime time.Duration
}

// With sets a claim. The value is encoded as by json.Marshal.
func With(claim string, value any) Edit { return func(d *Draft) { d.Claims[claim] = value } }

// Without removes a claim.
func Without(claim string) Edit { return func(d *Draft) { delete(d.Claims, claim) } }

// Header sets a member of the header. The value is encoded as by json.Marshal.
func Header(name string, value any) Edit { return func(d *Draft) { d.Header[name] = value } }

// WithoutHeader removes a member of the header.
func WithoutHeader(name string) Edit { return func(d *Draft) { delete(d.Header, name) } }

// IssuedAt sets iat, and with it nbf, 10 seconds before, and exp, which keeps
// its distance. Claims hold whole seconds.
func IssuedAt(t time.Time) Edit {
	return func(d *Draft) {
		d.issuedAt = t
		d.Claims["iat"] = t.Unix()
		d.Claims["nbf"] = t.Add(-10 * time.Second).Unix()
		d.Claims["exp"] = t.Add(d.lifetime).Unix()
	}
}

// ExpiresIn sets exp to this long after the token is issued. For a token that
// has expired use IssuedAt: one that expires before it was issued is wrong in
// another way too.
func ExpiresIn(lifetime time.Duration) Edit {
	return func(d *Draft) {
		d.lifetime = lifetime
		d.Claims["exp"] = d.issuedAt.Add(lifetime).Unix()
	}
}

// Algorithm signs with the issuer's newest key for the algorithm, one of those
// that [NewKey] knows. The key is made, and published, when it is first asked
// for: a verifier that has fetched the key set before must fetch it again.
func Algorithm(algorithm string) Edit {
	return func(d *Draft) { SignedBy(d.issuer.keyFor(algorithm))(d) }
}

// SignedBy signs with this key, published or not, and sets alg and kid to the
// key's.
func SignedBy(key *Key) Edit {
	return func(d *Draft) {
		d.key = key
		d.Header["alg"] = key.Algorithm()
		d.Header["kid"] = key.ID()
	}
}
