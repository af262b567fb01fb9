package verifiers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ostiary/ostiary/bench/issuer"
)

// Signature returns the least that verifying the token can cost: the standard
// library hashes the signing input and checks the signature, with the key
// parsed and the signature in the form that it wants. It is what everybody is
// compared with.
func Signature(trust issuer.Trust, token string) (func() error, error) {
	dot := strings.LastIndexByte(token, '.')
	input := []byte(token[:dot])
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(trust.PEM)
	if block == nil {
		return nil, errors.New("the public key is not PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		return func() error {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		}, nil
	case *ecdsa.PublicKey:
		return ecdsaSignature(public, input, signature)
	case ed25519.PublicKey:
		return func() error {
			if !ed25519.Verify(public, input, signature) {
				return errSignature
			}
			return nil
		}, nil
	default:
		return nil, fmt.Errorf("no baseline for a key of type %T", public)
	}
}

var errSignature = errors.New("the signature does not match")

func ecdsaSignature(public *ecdsa.PublicKey, input, signature []byte) (func() error, error) {
	half := len(signature) / 2
	encoded, err := asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature[:half]),
		new(big.Int).SetBytes(signature[half:]),
	})
	if err != nil {
		return nil, err
	}
	return func() error {
		digest := sha256.Sum256(input)
		if !ecdsa.VerifyASN1(public, digest[:], encoded) {
			return errSignature
		}
		return nil
	}, nil
}
