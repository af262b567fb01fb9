package jwks

import (
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"
)

// What FuzzRSA does with a signature.
const (
	changeEncoding  = iota // signs another encoding
	changeSignature        // changes octets of the signature
	insertOctets           // makes it longer
	removeOctets           // makes it shorter
	addModulus             // takes the next number that is the same modulo n
	replaceAll             // gives the octets alone
	changes
)

// FuzzRSA holds the verdict of the prepared modulus and that of the standard library
// to be the same: for moduli of 2048 to 8192 bits, every exponent that NewKey accepts,
// each hash, signatures that are changed, and good signatures of changed encodings.
func FuzzRSA(f *testing.F) {
	moduli := testModuli()
	for i, m := range moduli {
		e := uint32(testExponents[i%len(testExponents)])
		f.Add(uint8(i), e, uint8(0), uint8(insertOctets), uint16(0), []byte{0})
		for how := range uint8(changes) {
			f.Add(uint8(i), e, how, how, uint16(0), []byte(nil))
			f.Add(uint8(i), e, how, how, uint16(1), []byte{3})
			f.Add(uint8(i), e, how, how, uint16(m.size()-1), []byte{1})
			f.Add(uint8(i), e, how, how, uint16(m.size()/2), []byte("\x00\xff\x00\xff"))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, exponent uint32, hash, how uint8, at uint16, octets []byte) {
		m := moduli[int(which)%len(moduli)]
		key, err := NewKey("k", &rsa.PublicKey{N: m.n, E: int(exponent)}, "")
		if err != nil {
			if exponent%2 == 1 && exponent >= 3 && exponent <= 1<<31-1 {
				t.Fatal(err)
			}
			return
		}
		algorithms := pkcs1(key)
		a := algorithms[int(hash)%len(algorithms)]
		how %= changes
		encoding := m.encoding(t, a)
		whole := slices.Clone(encoding)
		if how == changeEncoding {
			flip(encoding, int(at), octets)
		}
		signed := new(big.Int).SetBytes(encoding)
		root, signable := m.root(signed, key.public.(*rsa.PublicKey).E)
		if !signable {
			root = signed
		}
		unchanged := signable && signed.Cmp(m.n) < 0 && slices.Equal(encoding, whole)
		if how == addModulus {
			root.Add(root, m.n)
			unchanged = false
		}
		signature := root.FillBytes(make([]byte, m.size()+1))
		if signature[0] == 0 {
			signature = signature[1:]
		}
		good := slices.Clone(signature)
		switch where := int(at) % len(signature); how {
		case changeSignature:
			flip(signature, where, octets)
		case insertOctets:
			signature = slices.Insert(signature, where, octets...)
		case removeOctets:
			signature = slices.Delete(signature, where, min(where+len(octets), len(signature)))
		case replaceAll:
			signature = octets
		}
		if got, want := verdict(t, key, a, signature), unchanged && slices.Equal(signature, good); got != want {
			t.Errorf("%s with %d bits, exponent %d: accepted: %v, want %v", a.name, m.n.BitLen(), exponent, got, want)
		}
	})
}

// flip changes what the octets say, from a position on, around the end.
func flip(of []byte, from int, octets []byte) {
	for i, octet := range octets {
		of[(from+i)%len(of)] ^= octet
	}
}
