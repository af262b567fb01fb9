package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
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
// (RFC 7518, section 3.4), and hands it on in the form that the standard library
// reads, which then refuses zero and all from the order up. Going through
// ecdsa.Verify and its big integers would double the allocations.
func verifyECDSA(public *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (public.Params().N.BitLen() + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	var buffer [maxSignatureDER]byte
	return ecdsa.VerifyASN1(public, digest, appendSignature(buffer[:0], signature[:size], signature[size:]))
}

// maxSignatureDER is the longest encoding of a signature, that of P-521: a head
// of three octets, and two integers of 66 with a head of two each.
const maxSignatureDER = 3 + 2*(2+66)

// appendSignature appends an ECDSA-Sig-Value in DER (RFC 3279, section 2.2.3).
func appendSignature(der, r, s []byte) []byte {
	r, s = trimInteger(r), trimInteger(s)
	length := integerLen(r) + integerLen(s)
	der = append(der, 0x30)
	if length > 127 {
		der = append(der, 0x81)
	}
	der = append(der, byte(length)) //nolint:gosec // at most 136
	return appendInteger(appendInteger(der, r), s)
}

// trimInteger takes leading zero octets off, down to one octet.
func trimInteger(octets []byte) []byte {
	for len(octets) > 1 && octets[0] == 0 {
		octets = octets[1:]
	}
	return octets
}

// integerLen is the length of the octets as a DER INTEGER, head included. One
// that would read as negative gets a zero octet in front.
func integerLen(octets []byte) int {
	if octets[0] < 0x80 {
		return 2 + len(octets)
	}
	return 3 + len(octets)
}

func appendInteger(der, octets []byte) []byte {
	der = append(der, 0x02, byte(integerLen(octets)-2)) //nolint:gosec // at most 67
	if octets[0] >= 0x80 {
		der = append(der, 0)
	}
	return append(der, octets...)
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
