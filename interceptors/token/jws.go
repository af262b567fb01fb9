package token

import (
	"encoding/base64"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// compact is a JWS in compact serialisation (RFC 7515, section 3.1), taken
// apart and not yet believed.
type compact struct {
	header       header
	payload      string // the JSON text
	signingInput []byte
	signature    []byte
}

// header is what is read of the JOSE header (RFC 7515, section 4). Members that
// would make a verifier fetch or trust something (jwk, jku, x5u, x5c) are not
// read at all.
type header struct {
	algorithm string
	keyID     string
	x5t       string
	x5tS256   string
	typ       string
	category  string // Clerk's cat
}

// room is the memory that the header and the signature of most tokens fit in.
type room struct {
	header    [8]strictjson.Member
	signature [512]byte
}

// parseCompact takes the token apart: exactly three non-empty parts of
// base64url without padding, the first a JSON object of a header we accept.
//
// The signature lies in room as long as that is used for nothing else.
//
// Errors: TokenMalformed; TokenKindUnsupported for an opaque token.
func parseCompact(room *room, raw string) (compact, error) {
	var c compact
	first := strings.IndexByte(raw, '.')
	last := strings.LastIndexByte(raw, '.')
	if first <= 0 || last <= first+1 || last == len(raw)-1 ||
		strings.IndexByte(raw[first+1:last], '.') >= 0 {
		return c, auth.Errorf(malformed(raw), "not three non-empty parts separated by dots")
	}
	text, err := decodePart(nil, raw[:first])
	if err != nil {
		return c, err
	}
	if c.header, err = parseHeader(room.header[:0], stringOf(text)); err != nil {
		return c, err
	}
	payload, err := decodePart(nil, raw[first+1:last])
	if err != nil {
		return c, err
	}
	c.payload = stringOf(payload)
	if c.signature, err = decodePart(room.signature[:], raw[last+1:]); err != nil {
		return c, err
	}
	c.signingInput = bytesOf(raw[:last])
	return c, nil
}

// malformed is the reason to refuse what is no JWT. Clerk's opaque tokens are
// something else than a broken one, and their sender should know.
func malformed(raw string) auth.Reason {
	for _, opaque := range []string{"oat_", "mt_", "ak_"} {
		if strings.HasPrefix(raw, opaque) {
			return auth.TokenKindUnsupported
		}
	}
	return auth.TokenMalformed
}

// strictBase64 refuses bits that stray in the last character. It skips line
// breaks; decodePart refuses them by the length.
var strictBase64 = base64.RawURLEncoding.Strict()

// It decodes into room, where that is large enough.
func decodePart(room []byte, part string) ([]byte, error) {
	out := room
	if size := strictBase64.DecodedLen(len(part)); len(out) < size {
		out = make([]byte, size)
	}
	n, err := strictBase64.Decode(out, bytesOf(part))
	if err != nil || n == 0 || strictBase64.EncodedLen(n) != len(part) {
		return nil, auth.Errorf(auth.TokenMalformed, "a part is not base64url without padding")
	}
	return out[:n], nil
}

func parseHeader(scratch strictjson.Object, text string) (header, error) {
	var h header
	members, err := strictjson.Parse(scratch, text)
	if err != nil {
		return h, auth.Errorf(auth.TokenMalformed, "header: %w", err)
	}
	for _, m := range members {
		var into *string
		switch m.Name {
		case "alg":
			into = &h.algorithm
		case "kid":
			into = &h.keyID
		case "x5t":
			h.x5t, _ = m.Value.Text() // only ever looked for, so an odd one finds nothing
			continue
		case "x5t#S256":
			h.x5tS256, _ = m.Value.Text()
			continue
		case "typ":
			into = &h.typ
		case "cat":
			into = &h.category
		case "crit", "b64", "zip":
			return h, auth.Errorf(auth.TokenMalformed, "header member %s is not supported", m.Name)
		case "cty":
			return h, auth.Errorf(auth.TokenMalformed, "header member cty: nested tokens are not supported")
		default:
			continue
		}
		s, ok := m.Value.Text()
		if !ok {
			return h, auth.Errorf(auth.TokenMalformed, "header member %s is not a string", m.Name)
		}
		*into = s
	}
	if members.Get("alg") == "" {
		return h, auth.Errorf(auth.TokenMalformed, "header member alg is missing")
	}
	h.algorithm = jwks.CanonicalAlgorithm(h.algorithm)
	return h, nil
}

// hint is what the header says of the token's key.
func (h header) hint() jwks.Hint {
	return jwks.Hint{KeyID: h.keyID, X5T: h.x5t, X5TS256: h.x5tS256, Algorithm: h.algorithm}
}

// mediaType is typ without application/, which may be left out (RFC 7515, section 4.1.9).
func (h header) mediaType() string {
	const prefix = "application/"
	if len(h.typ) > len(prefix) && strings.EqualFold(h.typ[:len(prefix)], prefix) {
		return h.typ[len(prefix):]
	}
	return h.typ
}
