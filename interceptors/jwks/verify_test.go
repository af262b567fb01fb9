package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jws/jwsbb"
)

func TestVerifyEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, private := range []crypto.Signer{
		rsaKey(), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521()), edKey(t),
	} {
		key := mustKey(t, "k", private.Public(), "")
		for _, a := range key.algorithms {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				signature := sign(t, private, a)
				if err := key.Verify(a.name, []byte(input), signature); err != nil {
					t.Fatal("a good signature:", err)
				}
				if err := key.Verify(a.name, []byte(input+"x"), signature); !errors.Is(err, ErrSignature) {
					t.Errorf("another input: %v", err)
				}
				flipped := slices.Clone(signature)
				flipped[len(flipped)/3] ^= 1
				for name, bad := range map[string][]byte{
					"no signature":         nil,
					"a changed bit":        flipped,
					"one byte too short":   signature[:len(signature)-1],
					"one byte too long":    append(slices.Clone(signature), 0),
					"a zero byte in front": append([]byte{0}, signature...),
					"all zero":             make([]byte, len(signature)),
				} {
					if err := key.Verify(a.name, []byte(input), bad); !errors.Is(err, ErrSignature) {
						t.Errorf("%s: %v, want ErrSignature", name, err)
					}
				}
				for _, other := range []string{"", "none", "NONE", "HS256", "HS384", "HS512", "rs256", "ES256K", "Ed448"} {
					if err := key.Verify(other, []byte(input), signature); !errors.Is(err, ErrAlgorithm) {
						t.Errorf("algorithm %q: %v, want ErrAlgorithm", other, err)
					}
				}
			})
		}
	}
}

// TestVerifyAgreesWithAnotherImplementation, which knows by itself what each name
// stands for.
func TestVerifyAgreesWithAnotherImplementation(t *testing.T) {
	t.Parallel()
	for algorithm, private := range map[string]crypto.Signer{
		"RS256": rsaKey(), "RS384": rsaKey(), "RS512": rsaKey(), "PS256": rsaKey(), "PS384": rsaKey(), "PS512": rsaKey(),
		"ES256": ecKey(t, elliptic.P256()), "ES384": ecKey(t, elliptic.P384()), "ES512": ecKey(t, elliptic.P521()),
		"EdDSA": edKey(t),
	} {
		signature, err := jwsbb.Sign(private, algorithm, []byte(input), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := mustKey(t, "k", private.Public(), "").Verify(algorithm, []byte(input), signature); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

func TestVerifyUsesTheKeysAlgorithm(t *testing.T) {
	t.Parallel()
	key := mustKey(t, "k", &rsaKey().PublicKey, "RS256")
	rs512 := algorithm{name: "RS512", hash: crypto.SHA512}
	if err := key.Verify("RS512", []byte(input), sign(t, rsaKey(), rs512)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("a good signature of an algorithm that the key is not for: %v, want ErrAlgorithm", err)
	}
	if err := key.Verify("RS256", []byte(input), sign(t, rsaKey(), rs512)); !errors.Is(err, ErrSignature) {
		t.Errorf("the signature of another hash: %v, want ErrSignature", err)
	}
	if err := new(Key).Verify("RS256", []byte(input), nil); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("the zero Key: %v, want ErrAlgorithm", err)
	}
}

func TestVerifyRequiresASaltAsLongAsTheHash(t *testing.T) {
	t.Parallel()
	key := mustKey(t, "k", &rsaKey().PublicKey, "")
	ps256 := algorithm{name: "PS256", hash: crypto.SHA256, pss: true}
	for _, salt := range []int{1, 31, 33, 64} {
		if err := key.Verify("PS256", []byte(input), signPSS(t, rsaKey(), ps256, salt)); !errors.Is(err, ErrSignature) {
			t.Errorf("a salt of %d bytes: %v, want ErrSignature", salt, err)
		}
	}
}

// TestVerifyECDSAOfEveryLength signs until each of the numbers was once shorter than the
// order, and compares with what the standard library says of the two numbers.
func TestVerifyECDSAOfEveryLength(t *testing.T) {
	t.Parallel()
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			private := ecKey(t, curve)
			key := mustKey(t, "k", private.Public(), "")
			hash := digest(key.algorithms[0].hash, []byte(input))
			var short, long [2]bool
			for short != [2]bool{true, true} || long != [2]bool{true, true} {
				signature := sign(t, private, key.algorithms[0])
				size := len(signature) / 2
				for i, number := range [][]byte{signature[:size], signature[size:]} {
					top := number[0] == 0 && (size != maxOrderBytes || number[1] < 0x80)
					short[i], long[i] = short[i] || top, long[i] || !top
				}
				if err := key.Verify(name, []byte(input), signature); err != nil {
					t.Fatalf("%x: %v", signature, err)
				}
				signature[len(signature)-1] ^= 1
				r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
				if got, want := key.Verify(name, []byte(input), signature) == nil, ecdsa.Verify(&private.PublicKey, hash, r, s); got != want {
					t.Fatalf("%x: accepted is %v; the standard library: %v", signature, got, want)
				}
			}
		})
	}
}

func TestVerifyRefusesECDSAOutOfRange(t *testing.T) {
	t.Parallel()
	private := ecKey(t, elliptic.P256())
	key := mustKey(t, "k", private.Public(), "")
	r, s, err := ecdsa.Sign(rand.Reader, private, digest(crypto.SHA256, []byte(input)))
	if err != nil {
		t.Fatal(err)
	}
	n := private.Params().N
	zero, highest := new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	der, err := ecdsa.SignASN1(rand.Reader, private, digest(crypto.SHA256, []byte(input)))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"r is zero":              joinRS(private.Curve, zero, s),
		"s is zero":              joinRS(private.Curve, r, zero),
		"r is the order":         joinRS(private.Curve, n, s),
		"s is the order":         joinRS(private.Curve, r, n),
		"s is the highest value": joinRS(private.Curve, r, highest),
		"r and s change places":  joinRS(private.Curve, s, r),
		"DER instead of r‖s":     der,
	} {
		if err := key.Verify("ES256", []byte(input), bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", name, err)
		}
	}
}

// TestVerifyRefusesNonCanonicalEdDSA adds the group's order to S, which a lax
// verifier takes for the same signature (RFC 8032, section 5.1.7).
func TestVerifyRefusesNonCanonicalEdDSA(t *testing.T) {
	t.Parallel()
	private := edKey(t)
	key := mustKey(t, "k", private.Public(), "")
	signature := ed25519.Sign(private, []byte(input))
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := slices.Clone(signature[32:])
	slices.Reverse(s) // little endian
	raised := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
	slices.Reverse(raised)
	if err := key.Verify("EdDSA", []byte(input), append(signature[:32:32], raised...)); !errors.Is(err, ErrSignature) {
		t.Errorf("S + L: %v, want ErrSignature", err)
	}
}

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
