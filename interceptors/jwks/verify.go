package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
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
		return verifyRSA(public, a, digest(a.hash, input), signature)
	case *ecdsa.PublicKey:
		return verifyECDSA(public, digest(a.hash, input), signature)
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	}
	return false
}

// verifyRSA demands for PSS the salt of the hash's own length (RFC 7518, section 3.5).
func verifyRSA(public *rsa.PublicKey, a algorithm, digest, signature []byte) bool {
	if len(signature) != public.Size() {
		return false
	}
	if a.pss {
		return rsa.VerifyPSS(public, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return rsa.VerifyPKCS1v15(public, a.hash, digest, signature) == nil
}

// verifyECDSA reads the signature as r‖s, each as long as the curve's order
// (RFC 7518, section 3.4). The standard library refuses zero and all from the order
// up.
func verifyECDSA(public *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (public.Params().N.BitLen() + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(public, digest, r, s)
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
