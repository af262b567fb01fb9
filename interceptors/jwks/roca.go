package jwks

import "math/big"

// rocaPrimes are those modulo which the moduli of the flawed library take few of
// the values that others take.
var rocaPrimes = [...]int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// isROCA reports whether an RSA modulus has the fingerprint of keys that can be
// factored from their public half (CVE-2017-15361; Nemec and others, "The Return
// of Coppersmith's Attack", section 2.3): it is a power of 65537 modulo each of the
// primes. One sound modulus in some hundred million has it too.
func isROCA(modulus *big.Int) bool {
	for _, prime := range rocaPrimes {
		remainder := new(big.Int).Mod(modulus, big.NewInt(prime)).Int64()
		if !isPowerOf65537(remainder, prime) {
			return false
		}
	}
	return true
}

func isPowerOf65537(value, modulus int64) bool {
	power := int64(1)
	for range modulus {
		if power == value {
			return true
		}
		power = power * 65537 % modulus
	}
	return false
}
