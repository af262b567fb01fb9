package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"filippo.io/bigmod"
	"filippo.io/edwards25519"
)

// The bounds of an RSA key. Below the lower one it can be broken (RFC 7518,
// section 3.3). The upper one bounds what a stranger's key costs us: 8192 bits
// take sixteen times the work of 2048.
const (
	minModulusBits = 2048
	maxModulusBits = 8192
)

// A Key is one public key, prepared for verifying. Keys come from NewKey, from
// Parse, and from the Lookup of a Set. A Key is immutable and safe for
// concurrent use; the zero Key verifies nothing.
type Key struct {
	id         string
	x5t        string           // the thumbprints of its certificate, in base64url;
	x5tS256    string           // empty where they are not known
	public     crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	modulus    *bigmod.Modulus  // of an RSA key, prepared; nil has crypto/rsa check
	algorithms []algorithm
	set        *Remote // the set that can remove the key; nil for a fixed key
}

// NewKey returns a key for verifying. The id is the kid that tokens name it by
// (RFC 7517, section 4.5) and may be empty.
//
// The public key is an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey,
// and is copied. The algorithm is the only one that the key is for, such as
// RS256; when empty, the key is for every algorithm that fits its type.
//
// The error is ErrUnusableKey: for a private key, a key of another type, an RSA
// modulus outside 2048 to 8192 bits or with the fingerprint of ROCA, an exponent
// that is not sane, a point that is not on its curve or that anyone can sign for,
// and an algorithm that does not fit.
func NewKey(id string, public crypto.PublicKey, algorithm string) (*Key, error) {
	checked, err := checkPublic(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusableKey, err)
	}
	key := &Key{id: id, public: checked, modulus: prepareModulus(checked), algorithms: algorithmsFor(checked)}
	if algorithm == "" {
		return key, nil
	}
	i := key.indexAlgorithm(algorithm)
	if i < 0 {
		return nil, fmt.Errorf("%w: algorithm %q does not fit its type: use one of %q, or none", ErrUnusableKey, algorithm, key.Algorithms())
	}
	key.algorithms = key.algorithms[i : i+1]
	return key, nil
}

// ID returns the key's kid; empty when it has none.
func (k *Key) ID() string { return k.id }

// Algorithms returns the names of the algorithms that the key is for.
func (k *Key) Algorithms() []string {
	names := make([]string, len(k.algorithms))
	for i, a := range k.algorithms {
		names[i] = a.name
	}
	return names
}

// Live reports whether verdicts reached with this key still hold: false for
// ever once the key has left its set, and false while its set is older than
// RemoteConfig.MaxStale. A key that no Remote published is always live.
//
// It takes no lock and allocates nothing, so it can be asked on every hit of a
// cache of verdicts.
func (k *Key) Live() bool { return k.set == nil || k.set.contains(k) }

// indexAlgorithm returns where the algorithm is among the key's, or -1.
func (k *Key) indexAlgorithm(name string) int {
	name = CanonicalAlgorithm(name)
	return slices.IndexFunc(k.algorithms, func(a algorithm) bool { return a.name == name })
}

// names returns a hint for each name that a token can mean the key by.
func (k *Key) names() []Hint {
	all := [...]Hint{{KeyID: k.id}, {X5TS256: k.x5tS256}, {X5T: k.x5t}}
	return slices.DeleteFunc(all[:], func(h Hint) bool { return h == Hint{} })
}

// same reports whether both are one key: in name, in use and in material.
func (k *Key) same(other *Key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && slices.Equal(k.names(), other.names()) && slices.Equal(k.algorithms, other.algorithms) && public.Equal(other.public)
}

// conflicts reports whether a token could mean either key by the same kid.
func (k *Key) conflicts(other *Key) bool {
	return k.id != "" && k.id == other.id && slices.ContainsFunc(k.algorithms, func(a algorithm) bool {
		return other.indexAlgorithm(a.name) >= 0
	})
}

// checkPublic returns a copy of the key, so that nobody can change it after it
// was checked.
func checkPublic(public crypto.PublicKey) (crypto.PublicKey, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return checkRSA(public)
	case *ecdsa.PublicKey:
		return checkECDSA(public)
	case ed25519.PublicKey:
		return checkEd25519(public)
	default:
		return nil, fmt.Errorf("type %T: give an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey", public)
	}
}

// checkRSA accepts small odd exponents: they are weak only against verifiers
// that parse the padding, and here the whole encoded message is compared. The
// upper bound is that of crypto/rsa.
func checkRSA(public *rsa.PublicKey) (*rsa.PublicKey, error) {
	if public == nil || public.N == nil {
		return nil, errors.New("an RSA key without a modulus")
	}
	if bits := public.N.BitLen(); bits < minModulusBits || bits > maxModulusBits {
		return nil, fmt.Errorf("an RSA modulus of %d bits: use %d to %d", bits, minModulusBits, maxModulusBits)
	}
	if public.N.Sign() < 0 || public.N.Bit(0) == 0 {
		return nil, errors.New("an RSA modulus that is negative or even")
	}
	if public.E < 3 || public.E > 1<<31-1 || public.E%2 == 0 {
		return nil, fmt.Errorf("RSA exponent %d: use an odd one from 3 to 2^31-1, commonly 65537", public.E)
	}
	if isROCA(public.N) {
		return nil, errors.New("an RSA key whose private half can be computed (ROCA, CVE-2017-15361): replace it")
	}
	return &rsa.PublicKey{N: new(big.Int).Set(public.N), E: public.E}, nil
}

// checkECDSA takes the key through its encoding, which checks that the point is
// on the curve and is not the point at infinity.
func checkECDSA(public *ecdsa.PublicKey) (*ecdsa.PublicKey, error) {
	if public == nil || algorithmsFor(public) == nil {
		return nil, errors.New("an ECDSA key of another curve than P-256, P-384 and P-521")
	}
	if public.X == nil || public.Y == nil { //nolint:staticcheck // Bytes would panic on an unfinished key
		return nil, errors.New("an ECDSA key without a point")
	}
	point, err := public.Bytes()
	if err != nil {
		return nil, errors.New("an ECDSA key whose point is not on its curve")
	}
	return ecdsa.ParseUncompressedPublicKey(public.Curve, point)
}

// checkEd25519 refuses what crypto/ed25519 finds out only when it verifies, or
// never: a point that is not on the curve, one with a second encoding (RFC 8032,
// section 5.1.3), and one of small order, whose signatures anyone can make
// without a private key.
func checkEd25519(public ed25519.PublicKey) (ed25519.PublicKey, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("an Ed25519 key of %d bytes: it has %d", len(public), ed25519.PublicKeySize)
	}
	point, err := new(edwards25519.Point).SetBytes(public)
	if err != nil {
		return nil, errors.New("an Ed25519 key whose point is not on the curve")
	}
	if !bytes.Equal(point.Bytes(), public) {
		return nil, errors.New("an Ed25519 key whose encoding is not canonical")
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, errors.New("an Ed25519 key of small order: anyone can sign for it")
	}
	return ed25519.PublicKey(bytes.Clone(public)), nil
}

// rocaPrimes are those modulo which the moduli of the flawed library take few of
// the values that others take.
var rocaPrimes = [...]int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// isROCA reports whether an RSA modulus has the fingerprint of keys that can be
// factored from their public half (CVE-2017-15361; Nemec and others, "The Return
// of Coppersmith's Attack", section 2.3): it is a power of 65537 modulo each of the
// primes. One sound modulus in some hundred million has it too.
func isROCA(modulus *big.Int) bool {
	for _, prime := range rocaPrimes {
		remainder := new(big.Int).Mod(modulus, big.NewInt(prime)).Int64()
		if !isPowerOf65537(remainder, prime) {
			return false
		}
	}
	return true
}

func isPowerOf65537(value, modulus int64) bool {
	power := int64(1)
	for range modulus {
		if power == value {
			return true
		}
		power = power * 65537 % modulus
	}
	return false
}
