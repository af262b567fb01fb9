// Package jwks provides the public keys that verify tokens: a JSON Web Key Set
// (RFC 7517) that is fetched from its issuer and kept fresh, or fixed keys.
//
//	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: "https://clerk.example.com/.well-known/jwks.json"})
//	candidates, err := keys.Lookup(ctx, jwks.Hint{KeyID: kid, Algorithm: "RS256"})
//	err = candidates[0].Verify("RS256", signingInput, signature)
//
// [Remote] follows the rotations of its issuer and outlives its outages. If a fetch
// fails in any way, the last good keys stay in use, up to a day by default. Looking
// up a known key takes no lock, allocates nothing and never waits for the network.
// Tokens with unknown keys cause at most two fetches at once, and then one in five
// seconds.
//
// [Static] is a set of fixed keys, such as the one of a PEM file.
//
// Only public keys are used: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and
// P-521, and Ed25519. A key says which algorithm it is for, a token never does.
// Signatures are checked by the Go standard library; those of RSASSA-PKCS1-v1_5 by
// filippo.io/bigmod, its arithmetic under a public name, unless FIPS 140-3 mode is on.
package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// The errors of this package, for errors.Is. None holds any part of a token or
// of a key.
var (
	// ErrUnknownKey means that the set has no key of that name.
	ErrUnknownKey = errors.New("the key set has no such key")
	// ErrAlgorithm means that the key is not for that algorithm.
	ErrAlgorithm = errors.New("the key is not for this algorithm")
	// ErrUnavailable means that there are no keys, or none fresh enough, to
	// answer from, or that the key is not among them and the issuer cannot be
	// reached. Trying again later helps.
	ErrUnavailable = errors.New("the key set is unavailable")
	// ErrSignature means that the signature does not match.
	ErrSignature = errors.New("the signature does not match")
	// ErrUnusableKey means that a key is not one that this package verifies with.
	ErrUnusableKey = errors.New("unusable key")
	// ErrDocument means that a document is not a key set with a usable key.
	ErrDocument = errors.New("not a usable key set")
)

// A Set is the keys of one issuer. Static and Remote are sets. It must be safe
// for concurrent use.
type Set interface {
	// Lookup returns the keys that a token can have been signed with, at least one
	// and at most MaxCandidates, for its signature to be tried with each. The
	// caller must not change the slice.
	//
	// A token that names its key by kid, x5t#S256 or x5t means the key of that
	// name. The kid of a token says nothing in a set in which no key has one; it
	// is the same for thumbprints. A token that names no key means the only key
	// that fits its algorithm; where several do, those that have no kid.
	//
	// The error is ErrUnknownKey when there is no such key, ErrAlgorithm when
	// there is one, but not for this algorithm, and ErrUnavailable when there
	// are no keys to answer from, or when the key is not among them and the issuer
	// cannot be reached. It waits no longer than ctx allows.
	Lookup(ctx context.Context, hint Hint) ([]*Key, error)
}

// A Watcher is a Set whose keys can change. Remote is one, Static is none.
type Watcher interface {
	// Watch calls changed whenever keys came into the set or left it, until stop is
	// called. Key.Live shows whether a key has left.
	Watch(changed func()) (stop func())
}

// MaxCandidates is the most keys that a Set returns for one token.
const MaxCandidates = 4

// A Hint is how the header of a token names its key (RFC 7515, section 4.1).
// Any of its names may be empty. The first that is there counts, in the order of
// the fields: a token with a kid is not looked up by its thumbprints.
type Hint struct {
	KeyID     string // kid
	X5TS256   string // x5t#S256, the SHA-256 thumbprint of a certificate
	X5T       string // x5t, the SHA-1 thumbprint of a certificate
	Algorithm string // alg
}

// String describes the key for logs, by its name and not by its algorithm.
func (h Hint) String() string {
	switch {
	case h.KeyID != "":
		return fmt.Sprintf("key %.100q", h.KeyID)
	case h.X5TS256 != "":
		return fmt.Sprintf("key with x5t#S256 %.100q", h.X5TS256)
	case h.X5T != "":
		return fmt.Sprintf("key with x5t %.100q", h.X5T)
	default:
		return "key without a kid"
	}
}

// name returns the name that counts, without the algorithm; the zero Hint when
// there is none.
func (h Hint) name() Hint {
	switch {
	case h.KeyID != "":
		return Hint{KeyID: h.KeyID}
	case h.X5TS256 != "":
		return Hint{X5TS256: h.X5TS256}
	default:
		return Hint{X5T: h.X5T}
	}
}

// A keyring finds keys by hints. It is immutable.
type keyring struct {
	all []*Key
	// named has the keys of each name and algorithm; without a name, those that a
	// nameless token can mean.
	named map[Hint][]*Key
	// Which names any key has at all. What no key has, no token can be compared by.
	kids, x5ts256, x5ts bool
}

func newKeyring(keys []*Key) keyring {
	k := keyring{all: keys, named: map[Hint][]*Key{}}
	fitting := map[string][]*Key{}
	for _, key := range keys {
		for _, a := range key.algorithms {
			fitting[a.name] = append(fitting[a.name], key)
			for _, name := range key.names() {
				name.Algorithm = a.name
				k.add(name, key)
			}
		}
		k.kids = k.kids || key.id != ""
		k.x5ts256 = k.x5ts256 || key.x5tS256 != ""
		k.x5ts = k.x5ts || key.x5t != ""
	}
	for algorithm, keys := range fitting {
		for _, key := range keys {
			if len(keys) == 1 || key.id == "" {
				k.add(Hint{Algorithm: algorithm}, key)
			}
		}
	}
	return k
}

func (k keyring) add(hint Hint, key *Key) {
	if keys := k.named[hint]; len(keys) < MaxCandidates {
		k.named[hint] = append(keys, key)
	}
}

// find returns the keys that the hint can mean, and the errors of Lookup
// unwrapped, so that it allocates nothing.
func (k keyring) find(h Hint) ([]*Key, error) {
	name, algorithm := k.comparable(h).name(), CanonicalAlgorithm(h.Algorithm)
	hint := name
	hint.Algorithm = algorithm
	if keys := k.named[hint]; len(keys) > 0 {
		return keys, nil
	}
	known := false
	for _, key := range k.all {
		if name != (Hint{}) && !slices.Contains(key.names(), name) {
			continue
		}
		known = true
		if key.indexAlgorithm(algorithm) >= 0 {
			return nil, ErrUnknownKey // one of several that have names, and the token names none
		}
	}
	if known {
		return nil, ErrAlgorithm
	}
	return nil, ErrUnknownKey
}

// comparable leaves out the names that no key of the set has: in a set without
// any kid, as that of a PEM file, the kid of a token says nothing.
func (k keyring) comparable(h Hint) Hint {
	if !k.kids {
		h.KeyID = ""
	}
	if !k.x5ts256 {
		h.X5TS256 = ""
	}
	if !k.x5ts {
		h.X5T = ""
	}
	return h
}
