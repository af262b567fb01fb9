package token

import (
	"context"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// A Message is a JWT that says something and is no credential, such as a logout token
// (OpenID Connect Back-Channel Logout 1.0) or a security event token (RFC 8417). Its
// signature is the issuer's, and by its times it counts now; nothing else was judged.
type Message struct {
	// Issuer is the URL of the issuer that has signed it, whichever of its spellings the
	// message has.
	Issuer string
	// Type is the typ of its header, without a leading application/; "" if it has none.
	Type string
	// ID is jti, and Subject is sub: "" where the message has none, and never with control
	// characters.
	ID, Subject string
	// Audience is aud; nil where the message has none.
	Audience []string
	// IssuedAt is iat, and ExpiresAt is exp; zero where the message has none.
	IssuedAt, ExpiresAt time.Time
	// Claims is the JSON object that was signed. No member name is in it twice.
	Claims string
}

// VerifyMessage verifies the signature of a message with the keys and the algorithms of
// the issuer that its iss names, reads its registered claims (RFC 7519, section 4.1), and
// judges its times with the issuer's skew: exp, nbf and iat, where it has them. The
// caller judges the rest, and the type above all: the issuer signs its access tokens
// with the same keys.
//
// Every error is an *auth.Error: TokenTooLarge, TokenMalformed, ClaimMissing or
// ClaimInvalid for iss, IssuerUntrusted, AlgorithmNotAllowed, KeysUnavailable, KeyUnknown,
// SignatureInvalid; and of a message whose signature holds, ClaimInvalid, TokenExpired,
// TokenNotYetValid.
func (v *Verifier) VerifyMessage(ctx context.Context, raw string) (Message, error) {
	if len(raw) > maxMessageBytes {
		return Message{}, auth.Errorf(auth.TokenTooLarge, "%d bytes, the limit is %d", len(raw), maxMessageBytes)
	}
	t := v.begin(raw)
	defer v.end(t)
	if err := t.run(ctx, messageSteps); err != nil {
		return Message{}, err
	}
	return t.issuer.readMessage(t.jws, &t.token.Claims, v.now())
}

// messageSteps are those of a message, which has a limit of its size of its own.
var messageSteps = []step{{check: checkForm}, {check: checkIssuer}, {check: checkNoTrustDomain}, {check: checkAlgorithm}, {check: checkKey}, {check: checkSignature}}

func checkNoTrustDomain(_ context.Context, t *verification) error {
	if t.issuer.Profile.provider.BySubject {
		return auth.Errorf(auth.IssuerUntrusted, "a trust domain signs no messages: %s", t.issuer.URL)
	}
	return nil
}

// readMessage reads and judges what all messages have in common.
func (i *Issuer) readMessage(jws compact, c *claims.Claims, now time.Time) (Message, error) {
	m := Message{
		Issuer:    i.URL,
		Type:      jws.header.mediaType(),
		ID:        c.TextOf("jti", c.Get("jti")),
		Subject:   c.TextOf("sub", c.Get("sub")),
		Audience:  c.Texts("aud", c.Get("aud")),
		IssuedAt:  c.Date("iat"),
		ExpiresAt: c.Date("exp"),
		Claims:    jws.payload,
	}
	notBefore := c.Date("nbf")
	for name, text := range map[string]string{"jti": m.ID, "sub": m.Subject} {
		if text == "" && c.Has(name) || !claims.IsPlain(text) {
			c.Invalid(name, "is empty, or has a control character")
		}
	}
	if c.Fault != nil {
		return Message{}, c.Fault
	}
	if !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt.Add(i.Skew)) {
		return Message{}, auth.Errorf(auth.TokenExpired, "expired %s ago", now.Sub(m.ExpiresAt).Round(time.Second))
	}
	if err := i.checkBegun(notBefore, m.IssuedAt, now); err != nil {
		return Message{}, err
	}
	return m, nil
}

// maxMessageBytes bounds a message. One of many events is longer than a token.
const maxMessageBytes = 64 << 10
