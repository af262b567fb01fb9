package jwks

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"
)

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
