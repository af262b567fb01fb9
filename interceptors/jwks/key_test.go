package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func TestNewKeySaysWhichAlgorithmsTheKeyIsFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		public    crypto.PublicKey
		algorithm string
		want      []string
	}{
		{"RSA is for both paddings and every hash", &rsaKey().PublicKey, "", []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{"RSA with an algorithm is for that one alone", &rsaKey().PublicKey, "PS384", []string{"PS384"}},
		{"P-256 is for ES256", ecKey(t, elliptic.P256()).Public(), "", []string{"ES256"}},
		{"P-384 is for ES384", ecKey(t, elliptic.P384()).Public(), "ES384", []string{"ES384"}},
		{"P-521 is for ES512", ecKey(t, elliptic.P521()).Public(), "", []string{"ES512"}},
		{"Ed25519 is for EdDSA", edKey(t).Public(), "", []string{"EdDSA"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			key, err := NewKey("k", row.public, row.algorithm)
			if err != nil {
				t.Fatal(err)
			}
			if got := key.Algorithms(); !slices.Equal(got, row.want) {
				t.Errorf("algorithms %q, want %q", got, row.want)
			}
			if key.ID() != "k" || !key.Live() {
				t.Errorf("id %q, live %v", key.ID(), key.Live())
			}
		})
	}
}

func TestNewKeyRefuses(t *testing.T) {
	t.Parallel()
	modulus := func(bits uint) *big.Int { return new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1) }
	good := rsaKey().N
	onCurve := ecKey(t, elliptic.P256()).PublicKey
	// The standard library makes no such keys, but a program can.
	offCurve, infinity := onCurve, onCurve
	offCurve.Y = elliptic.P256().Params().B             //nolint:staticcheck // see above
	infinity.X, infinity.Y = new(big.Int), new(big.Int) //nolint:staticcheck // see above
	ofOrder8, err := hex.DecodeString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
	if err != nil {
		t.Fatal(err)
	}
	// Encodings of Ed25519 points: y in little endian, the sign of x in the last bit.
	point := func(first, middle, last byte) ed25519.PublicKey {
		p := bytes.Repeat([]byte{middle}, ed25519.PublicKeySize)
		p[0], p[len(p)-1] = first, last
		return p
	}
	for _, row := range []struct {
		name      string
		public    crypto.PublicKey
		algorithm string
		says      string
	}{
		{"nothing", nil, "", "type <nil>"},
		{"a private key", rsaKey(), "", "type *rsa.PrivateKey"},
		{"a secret", []byte("secret"), "", "type []uint8"},
		{"a nil RSA key", (*rsa.PublicKey)(nil), "", "without a modulus"},
		{"an RSA key without a modulus", &rsa.PublicKey{E: 65537}, "", "without a modulus"},
		{"an RSA modulus one bit too short", &rsa.PublicKey{N: modulus(2047), E: 65537}, "", "2047 bits"},
		{"an RSA modulus one bit too long", &rsa.PublicKey{N: modulus(8193), E: 65537}, "", "8193 bits"},
		{"an even RSA modulus", &rsa.PublicKey{N: new(big.Int).Sub(good, big.NewInt(1)), E: 65537}, "", "even"},
		{"a negative RSA modulus", &rsa.PublicKey{N: new(big.Int).Neg(good), E: 65537}, "", "negative"},
		{"RSA exponent 0", &rsa.PublicKey{N: good}, "", "exponent 0"},
		{"RSA exponent 1", &rsa.PublicKey{N: good, E: 1}, "", "exponent 1"},
		{"an even RSA exponent", &rsa.PublicKey{N: good, E: 65536}, "", "exponent 65536"},
		{"RSA exponent 2", &rsa.PublicKey{N: good, E: 2}, "", "exponent 2"},
		{"a negative RSA exponent", &rsa.PublicKey{N: good, E: -3}, "", "exponent -3"},
		{"the next RSA exponent after the largest", &rsa.PublicKey{N: good, E: 1 << 31}, "", "exponent 2147483648"},
		{"a huge RSA exponent", &rsa.PublicKey{N: good, E: 1<<31 + 1}, "", "exponent 2147483649"},
		{"a nil ECDSA key", (*ecdsa.PublicKey)(nil), "", "another curve"},
		{"an ECDSA key without a point", &ecdsa.PublicKey{Curve: elliptic.P256()}, "", "without a point"},
		{"an ECDSA key without y", &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1)}, "", "without a point"}, //nolint:staticcheck // see above
		{"an ECDSA key without x", &ecdsa.PublicKey{Curve: elliptic.P256(), Y: big.NewInt(1)}, "", "without a point"}, //nolint:staticcheck // see above
		{"P-224", ecKey(t, elliptic.P224()).Public(), "", "another curve"},
		{"a point beside its curve", &offCurve, "", "not on its curve"},
		{"the point at infinity", &infinity, "", "not on its curve"},
		{"a long Ed25519 key", make(ed25519.PublicKey, 33), "", "33 bytes"},
		{"a nil Ed25519 key", ed25519.PublicKey(nil), "", "0 bytes"},
		{"a short Ed25519 key", make(ed25519.PublicKey, 31), "", "31 bytes"},
		{"an Ed25519 point beside the curve", point(2, 0, 0), "", "not on the curve"},
		{"an Ed25519 point of order 1", point(1, 0, 0), "", "small order"},
		{"an Ed25519 point of order 2", point(0xec, 0xff, 0x7f), "", "small order"},
		{"an Ed25519 point of order 4", point(0, 0, 0), "", "small order"},
		{"an Ed25519 point of order 8", ed25519.PublicKey(ofOrder8), "", "small order"},
		{"an Ed25519 point whose y is 3 in another encoding", point(0xf0, 0xff, 0x7f), "", "not canonical"},
		{"an Ed25519 point of order 4 in another encoding", point(0xed, 0xff, 0x7f), "", "not canonical"},
		{"an Ed25519 point of order 1 with the sign of zero", point(1, 0, 0x80), "", "not canonical"},
		{"an algorithm of another type", &rsaKey().PublicKey, "ES256", "does not fit"},
		{"an algorithm of another curve", &onCurve, "ES384", "does not fit"},
		{"a MAC keyed with a public key", &rsaKey().PublicKey, "HS256", "does not fit"},
		{"none", &rsaKey().PublicKey, "none", "does not fit"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			key, err := NewKey("k", row.public, row.algorithm)
			if !errors.Is(err, ErrUnusableKey) || key != nil {
				t.Fatalf("%v, %v: want ErrUnusableKey", key, err)
			}
			if !strings.Contains(err.Error(), row.says) {
				t.Errorf("%q does not say %q", err, row.says)
			}
		})
	}
}

func TestNewKeyAcceptsTheBoundsOfRSA(t *testing.T) {
	t.Parallel()
	longest := new(big.Int).SetBit(big.NewInt(1), maxModulusBits-1, 1)
	for name, public := range map[string]*rsa.PublicKey{
		"the smallest exponent": {N: rsaKey().N, E: 3},
		"the shortest modulus":  {N: new(big.Int).SetBit(big.NewInt(1), minModulusBits-1, 1), E: 65537},
		"the largest exponent":  {N: rsaKey().N, E: 1<<31 - 1},
		"the longest modulus":   {N: longest, E: 65537},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewKey("", public, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewKeyCopiesTheKey(t *testing.T) {
	t.Parallel()
	private := edKey(t)
	public := slices.Clone(private.Public().(ed25519.PublicKey))
	key, err := NewKey("k", public, "")
	if err != nil {
		t.Fatal(err)
	}
	clear(public)
	if err := key.Verify("EdDSA", []byte("input"), ed25519.Sign(private, []byte("input"))); err != nil {
		t.Error("the key changed with the caller's:", err)
	}
	rsaPublic := rsa.PublicKey{N: new(big.Int).Set(rsaKey().N), E: rsaKey().E}
	rsaCopy, err := NewKey("k", &rsaPublic, "")
	if err != nil {
		t.Fatal(err)
	}
	rsaPublic.N.SetInt64(1)
	rsaPublic.E = 1
	if !rsaCopy.public.(*rsa.PublicKey).Equal(&rsaKey().PublicKey) {
		t.Error("the RSA key changed with the caller's")
	}
}

// flawedFactor makes a factor as the flawed library does: k·M + (65537^a mod M),
// where M is the product of the first primes. The library goes on until it is prime,
// which the fingerprint does not depend on.
func flawedFactor(t *testing.T, bits, primes int, prime bool) *big.Int {
	t.Helper()
	product := big.NewInt(1)
	for candidate, found := int64(2), 0; found < primes; candidate++ {
		if big.NewInt(candidate).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(candidate))
			found++
		}
	}
	lowest := new(big.Int).Lsh(big.NewInt(3), uint(bits-2)) // so that a product of two has twice the bits
	highest := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	room := new(big.Int).Div(new(big.Int).Sub(highest, lowest), product)
	for {
		a, err := rand.Int(rand.Reader, product)
		if err != nil {
			t.Fatal(err)
		}
		k, err := rand.Int(rand.Reader, room)
		if err != nil {
			t.Fatal(err)
		}
		factor := k.Add(k, new(big.Int).Div(lowest, product))
		factor.Mul(factor, product).Add(factor, new(big.Int).Exp(big.NewInt(65537), a, product))
		if factor.BitLen() == bits && (!prime || factor.ProbablyPrime(20)) {
			return factor
		}
	}
}

func TestFlawedRSAKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		bits, primes int
		prime        bool
	}{
		"2048 bits, of two primes": {1024, 126, true},
		"3072 bits":                {1536, 126, false},
		"4096 bits":                {2048, 225, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := new(big.Int).Mul(flawedFactor(t, row.bits, row.primes, row.prime), flawedFactor(t, row.bits, row.primes, row.prime))
			_, err := NewKey("k", &rsa.PublicKey{N: n, E: 65537}, "")
			if !errors.Is(err, ErrUnusableKey) || !strings.Contains(err.Error(), "ROCA") {
				t.Errorf("%d bits: %v, want ErrUnusableKey that names ROCA", n.BitLen(), err)
			}
		})
	}
}

// TestSoundModuliHaveNoFingerprint takes the fingerprint away from a flawed one,
// modulo one of the primes at a time: each of them counts.
func TestSoundModuliHaveNoFingerprint(t *testing.T) {
	t.Parallel()
	if isROCA(rsaKey().N) {
		t.Error("a key of crypto/rsa")
	}
	product := big.NewInt(1)
	for _, prime := range rocaPrimes {
		product.Mul(product, big.NewInt(prime))
	}
	flawed := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	if !isROCA(flawed) || !isROCA(big.NewInt(1)) || !isROCA(big.NewInt(65537)) {
		t.Error("a power of 65537 has no fingerprint")
	}
	for _, prime := range rocaPrimes {
		powers := map[int64]bool{}
		for power := int64(1); !powers[power]; power = power * 65537 % prime {
			powers[power] = true
		}
		for remainder := range prime {
			// The number that is this remainder modulo the prime, and flawed modulo all
			// others (Chinese remainder theorem).
			rest := new(big.Int).Div(product, big.NewInt(prime))
			step := new(big.Int).Mul(rest, new(big.Int).ModInverse(rest, big.NewInt(prime)))
			n := new(big.Int).Sub(big.NewInt(remainder), flawed)
			n.Mul(n, step).Add(n, flawed).Mod(n, product)
			if got := isROCA(n); got != powers[remainder] {
				t.Errorf("%d modulo %d: fingerprint %v, want %v", remainder, prime, got, powers[remainder])
			}
		}
	}
}
