package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws/jwsbb"
)

// A Key signs with one algorithm. It is immutable and safe for concurrent use.
type Key struct {
	id        string
	algorithm string
	private   any // a crypto.Signer, or the []byte of a MAC
}

// NewKey makes a fresh key for RS256, RS384, RS512, PS256, PS384, PS512 (RSA of
// 2048 bits), ES256, ES384, ES512 or EdDSA (Ed25519). Its ID looks like Clerk's:
// ins_ and something random. NewKey panics on any other algorithm.
func NewKey(algorithm string) *Key {
	var private crypto.Signer
	var err error
	switch algorithm {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("unknown algorithm: use RS, PS or ES with 256, 384 or 512, or EdDSA")
	}
	if err != nil {
		panic(fmt.Sprintf("authtest: make a key for %s: %v", algorithm, err))
	}
	return WrapKey(algorithm, private)
}

// WrapKey makes a Key of a private key of your own: a crypto.Signer, of any
// size or curve, or the []byte of a MAC (HS256, HS384, HS512). Keys that no
// verifier should accept are made with it, such as the MAC whose secret is a
// public key. Its ID is as from NewKey.
func WrapKey(algorithm string, private any) *Key {
	return &Key{id: "ins_" + rand.Text(), algorithm: algorithm, private: private}
}

// ID returns the kid.
func (k *Key) ID() string { return k.id }

// Algorithm returns the alg.
func (k *Key) Algorithm() string { return k.algorithm }

// WithID returns the same key under another kid.
func (k *Key) WithID(id string) *Key {
	return &Key{id: id, algorithm: k.algorithm, private: k.private}
}

// As returns the same key, signing with another algorithm: PS256 with a key
// that is published for RS256, say.
func (k *Key) As(algorithm string) *Key {
	return &Key{id: k.id, algorithm: algorithm, private: k.private}
}

// Public returns the public key, or the secret of a MAC.
func (k *Key) Public() any {
	if signer, ok := k.private.(crypto.Signer); ok {
		return signer.Public()
	}
	return k.private
}

// PublicPEM returns the public key as a PEM block of type PUBLIC KEY (RFC 7468,
// section 13). It panics for a MAC, which has none.
func (k *Key) PublicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		panic(fmt.Sprintf("authtest: encode the public key %s: %v", k.id, err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Sign signs header and payload as they are: they need not be JSON, nor does
// the header need to name this key. The signature is valid over whatever is
// given (RFC 7515, section 5.1). It panics when the algorithm does not fit the
// key.
func (k *Key) Sign(header, payload []byte) string {
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := jwsbb.Sign(k.private, k.algorithm, []byte(input), nil)
	if err != nil {
		panic(fmt.Sprintf("authtest: sign with %s: %v", k.algorithm, err))
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// jwk returns the key as it is published (RFC 7517, section 4).
func (k *Key) jwk() (jwk.Key, error) {
	published, err := jwk.Import(k.Public())
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		jwk.KeyIDKey:     k.id,
		jwk.AlgorithmKey: k.algorithm,
		jwk.KeyUsageKey:  "sig",
	} {
		if err := published.Set(name, value); err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
	}
	return published, nil
}
