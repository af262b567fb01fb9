package jwks

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	jwx "github.com/lestrrat-go/jwx/v3/jwk"
)

// A shape is what the public key of one type looks like: the members that make it
// (RFC 7518, section 6; RFC 8037, section 2), and how many octets each has; 0 means
// any number.
type shape struct {
	members []string
	octets  int
}

// shapes are those that are supported, by kty and crv.
var shapes = map[[2]string]shape{
	{"RSA", ""}:        {[]string{"n", "e"}, 0},
	{"EC", "P-256"}:    {[]string{"x", "y"}, 32},
	{"EC", "P-384"}:    {[]string{"x", "y"}, 48},
	{"EC", "P-521"}:    {[]string{"x", "y"}, 66},
	{"OKP", "Ed25519"}: {[]string{"x"}, 32},
}

// publicKey has jwx read the key from a JWK that holds the members of its shape and
// nothing else. What jwx overlooks is checked before, since the key that it
// returns no longer shows it: other base64 than base64url, and another length.
func (o object) publicKey() (crypto.PublicKey, error) {
	kind, err := o.text("kty")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"RSA", "EC", "OKP"}, kind) {
		return nil, fmt.Errorf("its type is %q: RSA, EC and OKP are supported", kind)
	}
	curve := ""
	if kind != "RSA" {
		if curve, err = o.text("crv"); err != nil {
			return nil, err
		}
	}
	shape, ok := shapes[[2]string{kind, curve}]
	if !ok {
		return nil, fmt.Errorf("its curve is %q: P-256, P-384, P-521 and Ed25519 are supported", curve)
	}
	plain := map[string]string{"kty": kind, "crv": curve}
	for _, name := range shape.members {
		octets, err := o.octets(name, shape.octets, kind != "OKP")
		if err != nil {
			return nil, err
		}
		plain[name] = base64.RawURLEncoding.EncodeToString(octets)
	}
	return readPublic(plain)
}

func readPublic(plain map[string]string) (crypto.PublicKey, error) {
	encoded, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	key, err := jwx.ParseKey(encoded)
	if err != nil {
		return nil, err
	}
	var public any
	if err := jwx.Export(key, &public); err != nil {
		return nil, err
	}
	return public, nil
}
