package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
)

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
