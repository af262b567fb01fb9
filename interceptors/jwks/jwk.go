package jwks

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // only for x5t
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
