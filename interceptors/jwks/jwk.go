package jwks

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // only for x5t
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// parseJWK reads one JSON Web Key (RFC 7517, section 4; RFC 7518, section 6;
// RFC 8037, section 2). It returns the kid, where there is one, even when the key
// is not usable.
func parseJWK(entry []byte, uses []string) (key *Key, id string, err error) {
	var members object
	if err := json.Unmarshal(entry, &members); err != nil || members == nil {
		return nil, "", errors.New("not a JSON object")
	}
	if id, err = members.text("kid"); err != nil {
		return nil, "", err
	}
	if err := members.checkUse(uses); err != nil {
		return nil, id, err
	}
	algorithm, err := members.text("alg")
	if err != nil {
		return nil, id, err
	}
	public, err := members.publicKey()
	if err != nil {
		return nil, id, err
	}
	if key, err = NewKey(id, public, algorithm); err != nil {
		return nil, id, err
	}
	key.x5t, key.x5tS256 = members.thumbprints()
	return key, id, nil
}

// thumbprints returns the names that the certificate of the key has (RFC 7517,
// sections 4.7 to 4.9): those that are given, else those of the first certificate
// in x5c, which is hashed and not read. A name only says which key of the issuer
// to try, so a wrong one harms nobody. What cannot be read is no name.
func (o object) thumbprints() (x5t, x5tS256 string) {
	x5t, _ = o.text("x5t")
	x5tS256, _ = o.text("x5t#S256")
	var chain []string
	if json.Unmarshal(o["x5c"], &chain) != nil || len(chain) == 0 {
		return x5t, x5tS256
	}
	certificate, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		return x5t, x5tS256
	}
	sha1Sum, sha256Sum := sha1.Sum(certificate), sha256.Sum256(certificate) //nolint:gosec // x5t is a SHA-1, and names a key without vouching for it
	return cmp.Or(x5t, base64.RawURLEncoding.EncodeToString(sha1Sum[:])),
		cmp.Or(x5tS256, base64.RawURLEncoding.EncodeToString(sha256Sum[:]))
}

// checkUse refuses keys that are not for checking signatures (RFC 7517, sections
// 4.2 and 4.3) and those that are not public. The uses are accepted beside sig.
func (o object) checkUse(uses []string) error {
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if o.has(private) {
			return errors.New("a private or symmetric key: publish public keys alone, and replace this one")
		}
	}
	use, err := o.text("use")
	if err != nil {
		return err
	}
	if use != "" && use != "sig" && !slices.Contains(uses, use) {
		return fmt.Errorf("its use is %q, not sig", use)
	}
	if !o.has("key_ops") {
		return nil
	}
	var operations []string
	if err := json.Unmarshal(o["key_ops"], &operations); err != nil {
		return errors.New(`"key_ops" is not a list of strings`)
	}
	if len(operations) > 0 && !slices.Contains(operations, "verify") {
		return errors.New("its key_ops do not list verify")
	}
	return nil
}

func (o object) publicKey() (crypto.PublicKey, error) {
	kind, err := o.text("kty")
	if err != nil {
		return nil, err
	}
	switch kind {
	case "RSA":
		return o.rsaKey()
	case "EC":
		return o.ecdsaKey()
	case "OKP":
		return o.ed25519Key()
	default:
		return nil, fmt.Errorf("its type is %q: RSA, EC and OKP are supported", kind)
	}
}

// rsaKey overlooks leading zero octets, which some issuers add although RFC
// 7518, section 6.3.1.1, says not to.
func (o object) rsaKey() (*rsa.PublicKey, error) {
	modulus, err := o.octets("n")
	if err != nil {
		return nil, err
	}
	exponent, err := o.octets("e")
	if err != nil {
		return nil, err
	}
	e := new(big.Int).SetBytes(exponent)
	if e.BitLen() > 31 {
		return nil, fmt.Errorf("an RSA exponent of %d bits: at most 31 are read", e.BitLen())
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(e.Int64())}, nil
}

// ecdsaKey demands coordinates of the curve's full length, as RFC 7518, section
// 6.2.1.2, does; it overlooks leading zero octets beyond that, as rsaKey does.
func (o object) ecdsaKey() (*ecdsa.PublicKey, error) {
	name, err := o.text("crv")
	if err != nil {
		return nil, err
	}
	var curve elliptic.Curve
	switch name {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("its curve is %q: P-256, P-384 and P-521 are supported", name)
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4} // uncompressed (SEC 1, section 2.3.3)
	for _, coordinate := range []string{"x", "y"} {
		octets, err := o.octets(coordinate)
		if err != nil {
			return nil, err
		}
		for len(octets) > size && octets[0] == 0 {
			octets = octets[1:] // the sign that some libraries write
		}
		if len(octets) != size {
			return nil, fmt.Errorf("%q has %d octets: %s has %d", coordinate, len(octets), name, size)
		}
		point = append(point, octets...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("its point is not on %s", name)
	}
	return public, nil
}

func (o object) ed25519Key() (ed25519.PublicKey, error) {
	name, err := o.text("crv")
	if err != nil {
		return nil, err
	}
	if name != "Ed25519" {
		return nil, fmt.Errorf("its curve is %q: Ed25519 is supported", name)
	}
	return o.octets("x")
}

// An object is a JSON object. It tells names by their case, as JOSE does and as
// encoding/json does not for structs.
type object map[string]json.RawMessage

// has reports whether the member is there. One that is null is not: some issuers
// write every member that they know.
func (o object) has(name string) bool {
	value, ok := o[name]
	return ok && !bytes.Equal(value, []byte("null"))
}

// text returns a string member; "" when it is not there.
func (o object) text(name string) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	var text string
	if err := json.Unmarshal(o[name], &text); err != nil {
		return "", fmt.Errorf("%q is not a string", name)
	}
	return text, nil
}

// octets returns a member in base64url without padding (RFC 7515, section 2).
func (o object) octets(name string) ([]byte, error) {
	text, err := o.text(name)
	if err != nil {
		return nil, err
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(octets) == 0 || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%q is missing, or is not base64url without padding", name)
	}
	return octets, nil
}
