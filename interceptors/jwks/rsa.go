package jwks

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rsa"

	"filippo.io/bigmod"
)

// prepareModulus returns what checking a signature needs of the modulus of an RSA
// key, which crypto/rsa works out anew for each signature. It is nil for a key of
// another type, and in FIPS 140-3 mode, in which crypto/rsa checks by itself.
func prepareModulus(public crypto.PublicKey) *bigmod.Modulus {
	key, ok := public.(*rsa.PublicKey)
	if !ok || fips140.Enabled() {
		return nil
	}
	modulus, _ := bigmod.NewModulus(key.N.Bytes()) // fails for 0 and 1, which checkRSA refuses
	return modulus
}

// verifyPKCS1 is RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2.2), with the verdict of
// rsa.VerifyPKCS1v15 for every key that checkRSA accepts. Nothing of the signature is
// parsed: the only encoding that is right is made and compared whole. All inputs
// are public, so none can leak by how long it takes.
func verifyPKCS1(modulus *bigmod.Modulus, exponent int, hash crypto.Hash, digest, signature []byte) bool {
	expected := encodePKCS1(modulus.Size(), hash, digest)
	if expected == nil || len(signature) != len(expected) { // also with zeroes in front (section 8.2.2, step 1)
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, modulus)
	if err != nil { // not less than the modulus (section 5.2.2)
		return false
	}
	encoded := bigmod.NewNat().ExpShortVarTime(s, uint(exponent), modulus).Bytes(modulus)
	return bytes.Equal(encoded, expected)
}

// digestInfo returns the encoding of DigestInfo up to the digest (RFC 8017, section
// 9.2, note 1); empty for a hash that no algorithm here has.
func digestInfo(hash crypto.Hash) string {
	switch hash {
	case crypto.SHA256:
		return "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
	case crypto.SHA384:
		return "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"
	case crypto.SHA512:
		return "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
	default:
		return ""
	}
}

// encodePKCS1 is EMSA-PKCS1-v1_5 (RFC 8017, section 9.2): 00 01 ff … ff 00, DigestInfo.
// It returns nil for a hash that no algorithm here has.
func encodePKCS1(size int, hash crypto.Hash, digest []byte) []byte {
	info := digestInfo(hash)
	if info == "" {
		return nil
	}
	encoded := bytes.Repeat([]byte{0xff}, size)
	encoded[0], encoded[1] = 0x00, 0x01
	end := size - len(info) - len(digest)
	encoded[end-1] = 0x00
	copy(encoded[end:], info)
	copy(encoded[end+len(info):], digest)
	return encoded
}
