package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
)

// Verify checks a JWS signature over signingInput, the encoded header and
// payload with the dot between them (RFC 7515, section 5.2). The algorithm is
// that of the token's header.
//
// The error is ErrAlgorithm when the key is not for that algorithm, whatever
// the signature, and ErrSignature when the signature does not match. One that
// has not exactly the length of its algorithm never does.
func (k *Key) Verify(algorithm string, signingInput, signature []byte) error {
	i := k.indexAlgorithm(algorithm)
	if i < 0 {
		return ErrAlgorithm
	}
	if !k.verify(k.algorithms[i], signingInput, signature) {
		return ErrSignature
	}
	return nil
}

func (k *Key) verify(a algorithm, input, signature []byte) bool {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return k.verifyRSA(public, a, digest(a.hash, input), signature)
	case *ecdsa.PublicKey:
		return verifyECDSA(public, digest(a.hash, input), signature)
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	}
	return false
}

// verifyRSA demands for PSS the salt of the hash's own length (RFC 7518, section 3.5).
func (k *Key) verifyRSA(public *rsa.PublicKey, a algorithm, digest, signature []byte) bool {
	switch {
	case a.pss:
		return rsa.VerifyPSS(public, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case k.modulus != nil:
		return verifyPKCS1(k.modulus, public.E, a.hash, digest, signature)
	default:
		return rsa.VerifyPKCS1v15(public, a.hash, digest, signature) == nil
	}
}

// verifyECDSA reads the signature as r‖s, each as long as the curve's order
// (RFC 7518, section 3.4). The standard library takes it as DER (RFC 3279, section
// 2.2.3), and refuses zero and all from the order up.
func verifyECDSA(public *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (public.Params().N.BitLen() + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	var memory [2 * (3 + maxOrderBytes)]byte
	numbers := appendInteger(appendInteger(memory[:0], signature[:size]), signature[size:])
	der := make([]byte, 0, 3+len(memory))
	der = append(der, 0x30) // SEQUENCE
	if len(numbers) >= 0x80 {
		der = append(der, 0x81) // a length that is a byte of its own
	}
	der = append(append(der, byte(len(numbers))), numbers...) //nolint:gosec // at most 2*(3+maxOrderBytes)
	return ecdsa.VerifyASN1(public, digest, der)
}

// maxOrderBytes is the size of the order of P-521, the largest of the curves.
const maxOrderBytes = 66

// appendInteger appends the DER of a number that is not negative, of at most
// maxOrderBytes: without leading zeros, but for one that keeps it from being negative.
func appendInteger(der, number []byte) []byte {
	number = bytes.TrimLeft(number, "\x00")
	if len(number) == 0 || number[0] >= 0x80 {
		der = append(der, 0x02, byte(len(number)+1), 0) //nolint:gosec // at most maxOrderBytes+1
	} else {
		der = append(der, 0x02, byte(len(number))) //nolint:gosec // at most maxOrderBytes
	}
	return append(der, number...)
}

func digest(hash crypto.Hash, input []byte) []byte {
	switch hash {
	case crypto.SHA384:
		sum := sha512.Sum384(input)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(input)
		return sum[:]
	default:
		sum := sha256.Sum256(input)
		return sum[:]
	}
}

// An algorithm is a signature algorithm of RFC 7518, section 3.1, or RFC 8037,
// under its canonical name.
type algorithm struct {
	name string
	hash crypto.Hash // zero for EdDSA, which hashes by itself
	pss  bool        // RSASSA-PSS rather than RSASSA-PKCS1-v1_5
}

// CanonicalAlgorithm returns the name under which this package knows an algorithm
// that has two: Ed25519 (RFC 9864, section 2.2) is what EdDSA (RFC 8037) is with
// the only curve that is supported. Every other name is returned as it is.
func CanonicalAlgorithm(name string) string {
	if name == "Ed25519" {
		return "EdDSA"
	}
	return name
}

// algorithmsFor returns every algorithm that fits the type of a key. There is
// no MAC and no "none" among them, so no token can choose one.
func algorithmsFor(public crypto.PublicKey) []algorithm {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return []algorithm{
			{name: "RS256", hash: crypto.SHA256},
			{name: "RS384", hash: crypto.SHA384},
			{name: "RS512", hash: crypto.SHA512},
			{name: "PS256", hash: crypto.SHA256, pss: true},
			{name: "PS384", hash: crypto.SHA384, pss: true},
			{name: "PS512", hash: crypto.SHA512, pss: true},
		}
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			return []algorithm{{name: "ES256", hash: crypto.SHA256}}
		case elliptic.P384():
			return []algorithm{{name: "ES384", hash: crypto.SHA384}}
		case elliptic.P521():
			return []algorithm{{name: "ES512", hash: crypto.SHA512}}
		}
	case ed25519.PublicKey:
		return []algorithm{{name: "EdDSA"}}
	}
	return nil
}
