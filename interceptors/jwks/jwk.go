package jwks

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/fips140"
	"crypto/sha1" //nolint:gosec // only for x5t
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jwx "github.com/lestrrat-go/jwx/v3/jwk"
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
	if ops, err := o.text("key_ops"); err == nil && ops == "" {
		return nil // absent, or as empty as a use can be
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
	var sha1Sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { // x5t names a key, and does not vouch for it
		sha1Sum = sha1.Sum(certificate) //nolint:gosec // x5t is a SHA-1
	})
	sha256Sum := sha256.Sum256(certificate)
	return cmp.Or(x5t, base64.RawURLEncoding.EncodeToString(sha1Sum[:])),
		cmp.Or(x5tS256, base64.RawURLEncoding.EncodeToString(sha256Sum[:]))
}

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

// An object is a JSON object. Its names are case-sensitive, as JOSE requires. For
// structs encoding/json would ignore the case.
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

// octets returns a member in base64url without padding (RFC 7515, section 2), of the
// given length unless that is 0. A number may have leading zero octets, which some
// libraries write as a sign; they are taken off where they are too many.
func (o object) octets(name string, length int, number bool) ([]byte, error) {
	text, err := o.text(name)
	if err != nil {
		return nil, err
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(octets) == 0 || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%q is missing, or is not base64url without padding", name)
	}
	for number && len(octets) > length && octets[0] == 0 {
		octets = octets[1:]
	}
	if length > 0 && len(octets) != length {
		return nil, fmt.Errorf("%q has %d octets, not %d", name, len(octets), length)
	}
	return octets, nil
}
