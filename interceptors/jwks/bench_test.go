package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"
)

// BenchmarkVerify stands beside the standard library's own check, to show what
// is added to it.
func BenchmarkVerify(b *testing.B) {
	hash := crypto.SHA256
	rsaPrivate, ecPrivate, edPrivate := rsaKey(), ecKey(b, elliptic.P256()), edKey(b)
	rsaSignature := sign(b, rsaPrivate, algorithm{hash: hash})
	edSignature := sign(b, edPrivate, algorithm{})
	ecSignature, err := ecdsa.SignASN1(rand.Reader, ecPrivate, digest(hash, []byte(input)))
	if err != nil {
		b.Fatal(err)
	}
	edPublic := edPrivate.Public().(ed25519.PublicKey)

	benchVerify(b, "RS256", rsaPrivate, func() bool {
		return rsa.VerifyPKCS1v15(&rsaPrivate.PublicKey, hash, digest(hash, []byte(input)), rsaSignature) == nil
	})
	benchVerify(b, "ES256", ecPrivate, func() bool {
		return ecdsa.VerifyASN1(&ecPrivate.PublicKey, digest(hash, []byte(input)), ecSignature)
	})
	benchVerify(b, "EdDSA", edPrivate, func() bool {
		return ed25519.Verify(edPublic, []byte(input), edSignature)
	})
}

func benchVerify(b *testing.B, name string, private crypto.Signer, standard func() bool) {
	key := mustKey(b, "k", private.Public(), name)
	signature := sign(b, private, key.algorithms[0])
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := key.Verify(name, []byte(input), signature); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(name+"/standard library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !standard() {
				b.Fatal("refused")
			}
		}
	})
}

// BenchmarkHotPath is what every call asks of the set: the key of a token that is
// not cached, and whether the key of a cached one still counts.
func BenchmarkHotPath(b *testing.B) {
	issuer := newServer(b)
	keys := newRemote(b, RemoteConfig{URL: issuer.url})
	key, err := findOne(b, keys, Hint{KeyID: "first", Algorithm: "ES256"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Lookup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.Lookup(b.Context(), Hint{KeyID: "first", Algorithm: "ES256"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Live", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !key.Live() {
				b.Fatal("not live")
			}
		}
	})
}
