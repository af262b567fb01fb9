package token

import (
	"context"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A Message is a JWT that tells something and is no credential, such as a logout token
// (OpenID Connect Back-Channel Logout 1.0) or a security event token (RFC 8417). Its
// signature is the issuer's; nothing else of it was judged.
type Message struct {
	// Issuer is the URL of the issuer that has signed it, whichever of its spellings the
	// message has.
	Issuer string
	// Type is the typ of its header, without a leading application/; "" if it has none.
	Type string
	// Claims is the JSON object that was signed. No member name is in it twice.
	Claims string
}

// VerifyMessage verifies the signature of a message with the keys and the algorithms of
// the issuer that it names. Who calls it judges the claims, and the type above all: the
// issuer signs its access tokens with the same keys.
//
// Every error is an *auth.Error: TokenTooLarge, TokenMalformed, ClaimMissing or
// ClaimInvalid for iss, IssuerUntrusted, AlgorithmNotAllowed, KeysUnavailable, KeyUnknown,
// SignatureInvalid.
func (v *Verifier) VerifyMessage(ctx context.Context, raw string) (Message, error) {
	if len(raw) > maxMessageBytes {
		return Message{}, auth.Errorf(auth.TokenTooLarge, "%d bytes, the limit is %d", len(raw), maxMessageBytes)
	}
	c := v.claims.Get().(*claims) //nolint:forcetypeassert // nothing else is put there
	defer v.claims.Put(c)
	jws, err := parseCompact(c, raw)
	if err != nil {
		return Message{}, err
	}
	if err := c.parse(jws.payload); err != nil {
		return Message{}, err
	}
	issuer, err := v.issuerOf(c)
	if err != nil {
		return Message{}, err
	}
	keys, err := issuer.findKeys(ctx, jws.header)
	if err != nil {
		return Message{}, err
	}
	if _, err := verifySignature(jws, keys); err != nil {
		return Message{}, refuseKey(err, issuer, jws.header)
	}
	return Message{Issuer: issuer.URL, Type: jws.header.mediaType(), Claims: jws.payload}, nil
}

// maxMessageBytes bounds a message. One of many events is longer than a token.
const maxMessageBytes = 64 << 10
