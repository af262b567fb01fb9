package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"
	"testing"
)

// rsaKey is made once: it takes long to find.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A jwk is the JSON of one key, for tests to spoil.
type jwk map[string]any

// with returns a copy with a member set, or taken out where the value is nil.
func (j jwk) with(name string, value any) jwk {
	changed := jwk{}
	for n, v := range j {
		changed[n] = v
	}
	changed[name] = value
	if value == nil {
		delete(changed, name)
	}
	return changed
}

func publicJWK(t testing.TB, id string, public crypto.PublicKey) jwk {
	t.Helper()
	switch public := public.(type) {
	case *rsa.PublicKey:
		return jwk{"kty": "RSA", "kid": id, "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		size := len(point) / 2
		return jwk{"kty": "EC", "kid": id, "crv": public.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
	case ed25519.PublicKey:
		return jwk{"kty": "OKP", "kid": id, "crv": "Ed25519", "x": b64(public)}
	}
	t.Fatalf("no JWK for %T", public)
	return nil
}

func keySet(t testing.TB, keys ...jwk) []byte {
	t.Helper()
	if keys == nil {
		keys = []jwk{}
	}
	document, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func fromB64(t testing.TB, text any) []byte {
	t.Helper()
	octets, err := base64.RawURLEncoding.DecodeString(text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
