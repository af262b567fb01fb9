package jwks

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Static is a set whose keys never change. The zero Static knows no key.
type Static struct {
	keys keyring
}

// NewStatic returns a set of the given keys.
//
// The error is ErrUnusableKey: without keys, for a nil key, for a key that is
// given twice, and for two keys that a token could mean by the same kid.
func NewStatic(keys ...*Key) (*Static, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: a static set needs at least one", ErrUnusableKey)
	}
	for i, key := range keys {
		if key == nil || key.public == nil {
			return nil, fmt.Errorf("%w: number %d is empty: make keys with NewKey or Parse", ErrUnusableKey, i)
		}
		for _, earlier := range keys[:i] {
			if earlier.same(key) || earlier.conflicts(key) {
				return nil, fmt.Errorf("%w: two have the ID %q: give each its own", ErrUnusableKey, key.id)
			}
		}
	}
	return &Static{keys: newKeyring(keys)}, nil
}

// Lookup implements Set. It never waits, and never returns ErrUnavailable.
func (s *Static) Lookup(_ context.Context, hint Hint) ([]*Key, error) {
	return s.keys.find(hint)
}

// ParsePEM reads one public key and returns it as a set that answers for every
// kid, for verifying without a network. The key is a "PUBLIC KEY" (RFC 7468,
// section 13) or an "RSA PUBLIC KEY" (RFC 8017, appendix A.1.1).
//
// So that it survives the ways in which keys get into environment variables, the
// lines may be joined, line ends may be written as \n, and the header and
// footer of a "PUBLIC KEY" may be left out.
//
// The error is ErrUnusableKey, for a private key too.
func ParsePEM(pem []byte) (*Static, error) {
	public, err := parsePEM(strings.ReplaceAll(string(pem), `\n`, "\n"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusableKey, err)
	}
	key, err := NewKey("", public, "")
	if err != nil {
		return nil, err
	}
	return NewStatic(key)
}

func parsePEM(text string) (crypto.PublicKey, error) {
	label, body, err := splitPEM(text)
	if err != nil {
		return nil, err
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
	if err != nil {
		return nil, errors.New("the PEM key is not base64: give a public key, whole")
	}
	var public crypto.PublicKey
	switch {
	case label == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(der)
	case label == "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(der)
	case strings.HasSuffix(label, "PRIVATE KEY"):
		return nil, errors.New("the PEM key is a private key: give its public half, and keep this one secret")
	default:
		return nil, fmt.Errorf("the PEM block is a %q: give a PUBLIC KEY", label)
	}
	if err != nil {
		return nil, fmt.Errorf("the PEM block does not hold a %s: give a public key, whole", label)
	}
	return public, nil
}

// splitPEM finds the label and the base64 of the one block, which without header
// and footer is taken for a "PUBLIC KEY".
func splitPEM(text string) (label, body string, err error) {
	before, rest, found := strings.Cut(text, "-----BEGIN ")
	if !found {
		return "PUBLIC KEY", text, nil
	}
	label, rest, _ = strings.Cut(rest, "-----")
	body, after, found := strings.Cut(rest, "-----END "+label+"-----")
	if !found || strings.TrimSpace(before+after) != "" {
		return "", "", errors.New("the PEM key is cut short, or is not alone: give exactly one public key")
	}
	return label, body, nil
}
