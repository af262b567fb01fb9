package jwks

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A testModulus is the product of small primes, so that a key of any length is made at
// once, for every exponent in testExponents. That it is easy to factor does not matter to
// verification.
type testModulus struct {
	n      *big.Int
	primes []*big.Int
}

var testExponents = []int{3, 5, 17, 257, 65537, 1<<31 - 1}

// testModuli are of lengths around those at which the arithmetic takes another way.
var testModuli = sync.OnceValue(func() (moduli []testModulus) {
	for _, bits := range []int{2048, 2049, 2055, 2056, 2112, 3071, 3072, 4095, 4096, 4097, 8191, 8192} {
		moduli = append(moduli, modulusOf(bits))
	}
	return moduli
})

// modulusOf returns a modulus of so many bits, from 2048 on, which is the same in each run.
func modulusOf(bits int) testModulus {
	m := testModulus{n: big.NewInt(1)}
	source := mathrand.New(mathrand.NewPCG(1, uint64(bits)))
	for m.n.BitLen() < bits {
		left, length := bits-m.n.BitLen(), 64
		last := left < 64
		if last {
			length = left + 1
		} else if left < 128 {
			length = left / 2 // so that the last one is no small number
		}
		p := new(big.Int).SetUint64(source.Uint64()>>(64-length) | 1<<(length-1) | 1)
		product := new(big.Int).Mul(m.n, p)
		usable := (!last || product.BitLen() == bits) && !slices.ContainsFunc(m.primes, func(q *big.Int) bool { return q.Cmp(p) == 0 })
		for _, e := range testExponents {
			usable = usable && new(big.Int).Mod(p, big.NewInt(int64(e))).Int64() != 1
		}
		if usable && p.ProbablyPrime(0) {
			m.n, m.primes = product, append(m.primes, p)
		}
	}
	return m
}

// root returns the e-th root of a value modulo n: the signature that has it as its
// encoding. It is false where e has no inverse.
func (m testModulus) root(value *big.Int, e int) (*big.Int, bool) {
	sum := new(big.Int)
	for _, p := range m.primes {
		below := new(big.Int).Sub(p, big.NewInt(1))
		d := new(big.Int).ModInverse(big.NewInt(int64(e)), below)
		if d == nil {
			return nil, false
		}
		part := new(big.Int).Exp(new(big.Int).Mod(value, p), d, p)
		rest := new(big.Int).Div(m.n, p)
		part.Mul(part, rest).Mul(part, new(big.Int).ModInverse(new(big.Int).Mod(rest, p), p))
		sum.Add(sum, part)
	}
	return sum.Mod(sum, m.n), true
}

// key returns the key with the exponent.
func (m testModulus) key(t testing.TB, e int) *Key {
	t.Helper()
	return mustKey(t, "k", &rsa.PublicKey{N: m.n, E: e}, "")
}

func (m testModulus) size() int { return (m.n.BitLen() + 7) / 8 }

// encoding returns EMSA-PKCS1-v1_5 of the input, made with encoding/asn1.
func (m testModulus) encoding(t testing.TB, a algorithm) []byte {
	t.Helper()
	oid := map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}[a.hash]
	type identifier struct {
		Algorithm  asn1.ObjectIdentifier
		Parameters asn1.RawValue
	}
	info, err := asn1.Marshal(struct {
		Algorithm identifier
		Digest    []byte
	}{identifier{oid, asn1.NullRawValue}, digest(a.hash, []byte(input))})
	if err != nil {
		t.Fatal(err)
	}
	padding := strings.Repeat("\xff", m.size()-3-len(info))
	return []byte("\x00\x01" + padding + "\x00" + string(info))
}

// verdict returns whether the key accepts the signature, after comparing that with
// what the standard library says.
func verdict(t *testing.T, key *Key, a algorithm, signature []byte) bool {
	t.Helper()
	public := key.public.(*rsa.PublicKey)
	want := rsa.VerifyPKCS1v15(public, a.hash, digest(a.hash, []byte(input)), signature)
	got := key.Verify(a.name, []byte(input), signature)
	if (got == nil) != (want == nil) {
		t.Fatalf("%s with %d bits and exponent %d, signature %x: %v, and the standard library: %v", a.name, public.N.BitLen(), public.E, signature, got, want)
	}
	return got == nil
}

// pkcs1 are the algorithms of RSASSA-PKCS1-v1_5.
func pkcs1(key *Key) []algorithm {
	return slices.DeleteFunc(slices.Clone(key.algorithms), func(a algorithm) bool { return a.pss })
}

func TestRSAOfEveryLengthAndExponent(t *testing.T) {
	t.Parallel()
	for _, m := range testModuli() {
		for _, e := range testExponents {
			key := m.key(t, e)
			for _, a := range pkcs1(key) {
				s, _ := m.root(new(big.Int).SetBytes(m.encoding(t, a)), e)
				if !verdict(t, key, a, s.FillBytes(make([]byte, m.size()))) {
					t.Errorf("%s with %d bits and exponent %d: a good signature is refused", a.name, m.n.BitLen(), e)
				}
			}
		}
	}
}

// TestRSARefusesWhatIsNotTheSignature has a modulus of 2049 bits, so that there is room
// in as many octets for values from the modulus up.
func TestRSARefusesWhatIsNotTheSignature(t *testing.T) {
	t.Parallel()
	m := modulusOf(2049)
	key := m.key(t, 3)
	a := key.algorithms[0]
	encoding := m.encoding(t, a)
	good, _ := m.root(new(big.Int).SetBytes(encoding), 3)
	one := big.NewInt(1)
	// ofEncoding signs another encoding, in which position counts from the end if it is negative.
	ofEncoding := func(position int, octet byte) *big.Int {
		changed := slices.Clone(encoding)
		changed[(position+len(changed))%len(changed)] = octet
		s, _ := m.root(new(big.Int).SetBytes(changed), 3)
		return s
	}
	short := slices.Delete(slices.Clone(encoding), 10, 20) // ten octets of padding
	ofShort, _ := m.root(new(big.Int).SetBytes(append(short, make([]byte, 10)...)), 3)
	for name, s := range map[string]*big.Int{
		"zero":                              new(big.Int),
		"one":                               one,
		"the modulus less one":              new(big.Int).Sub(m.n, one),
		"the modulus":                       m.n,
		"the modulus and one":               new(big.Int).Add(m.n, one),
		"the signature and the modulus":     new(big.Int).Add(good, m.n),
		"the signature negated":             new(big.Int).Sub(m.n, good),
		"the largest number of that length": new(big.Int).Sub(new(big.Int).Lsh(one, uint(8*m.size())), one),
		"an encoding that begins with 1":    ofEncoding(0, 1),
		"block type 0":                      ofEncoding(1, 0),
		"block type 2":                      ofEncoding(1, 2),
		"padding that ends early":           ofEncoding(12, 0),
		"padding with another octet":        ofEncoding(100, 0xfe),
		"no end of the padding":             ofEncoding(-52, 0xff),
		"another tag":                       ofEncoding(-51, 0x31),
		"another hash":                      ofEncoding(-37, 2),
		"another digest":                    ofEncoding(-1, encoding[len(encoding)-1]^1),
		"octets after the digest":           ofShort,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if verdict(t, key, a, s.FillBytes(make([]byte, m.size()))) {
				t.Error("accepted")
			}
		})
	}
	if !verdict(t, key, a, good.FillBytes(make([]byte, m.size()))) {
		t.Error("the signature itself is refused")
	}
}

// TestRSARefusesACubeRoot forges as Bleichenbacher did in 2006: without the private key, a
// number is found whose cube begins as the encoding does, for those who do not look
// at what follows (CVE-2006-4339).
func TestRSARefusesACubeRoot(t *testing.T) {
	t.Parallel()
	m := modulusOf(3072)
	key := m.key(t, 3)
	for _, a := range pkcs1(key) {
		encoding := m.encoding(t, a)
		padding := slices.Index(encoding[2:], 0) // how much there should be, where the forgery has 8 octets
		forged := slices.Concat(encoding[:10], encoding[2+padding:])
		low := new(big.Int).SetBytes(append(slices.Clone(forged), make([]byte, m.size()-len(forged))...))
		root := new(big.Int) // first rounded down, bit by bit
		for i := low.BitLen()/3 + 1; i >= 0; i-- {
			if next := new(big.Int).SetBit(root, i, 1); cube(next).Cmp(low) <= 0 {
				root = next
			}
		}
		root.Add(root, big.NewInt(1))
		if got := cube(root).FillBytes(make([]byte, m.size())); !slices.Equal(got[:len(forged)], forged) {
			t.Fatalf("%s: the cube is %x, and should begin as %x", a.name, got, forged)
		}
		if verdict(t, key, a, root.FillBytes(make([]byte, m.size()))) {
			t.Errorf("%s: the forgery is accepted", a.name)
		}
	}
}

func cube(n *big.Int) *big.Int { return new(big.Int).Exp(n, big.NewInt(3), nil) }

// TestRSASignaturesKeepTheirZeroes has a modulus of 2049 bits, which half the signatures
// are an octet shorter than. They count with the zero in front, and not without it, nor with
// further ones.
func TestRSASignaturesKeepTheirZeroes(t *testing.T) {
	t.Parallel()
	m, found := modulusOf(2049), false
	for _, e := range testExponents {
		key := m.key(t, e)
		for _, a := range pkcs1(key) {
			s, _ := m.root(new(big.Int).SetBytes(m.encoding(t, a)), e)
			if !verdict(t, key, a, s.FillBytes(make([]byte, m.size()))) {
				t.Errorf("%s, exponent %d: refused", a.name, e)
			}
			for _, zeroes := range []int{1, 6} {
				if verdict(t, key, a, s.FillBytes(make([]byte, m.size()+zeroes))) {
					t.Errorf("%s, exponent %d: accepted with %d octets in front", a.name, e, zeroes)
				}
			}
			if short := s.Bytes(); len(short) < m.size() {
				found = true
				if verdict(t, key, a, short) {
					t.Errorf("%s, exponent %d: accepted without its zero", a.name, e)
				}
			}
		}
	}
	if !found {
		t.Error("no signature begins with zero")
	}
}

// TestOneKeyVerifiesForMany at once, all of which read one modulus.
func TestOneKeyVerifiesForMany(t *testing.T) {
	t.Parallel()
	m := modulusOf(2048)
	key := m.key(t, 65537)
	a := key.algorithms[0]
	s, _ := m.root(new(big.Int).SetBytes(m.encoding(t, a)), 65537)
	good := s.FillBytes(make([]byte, m.size()))
	bad := slices.Clone(good)
	bad[200] ^= 1
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if key.Verify(a.name, []byte(input), good) != nil || key.Verify(a.name, []byte(input), bad) == nil {
					t.Error("another verdict beside others")
				}
			}
		})
	}
	all.Wait()
}

// TestRSARefusesEachOtherEncoding has signatures of encodings that differ in one bit of an
// octet, or lack the NULL of the parameters.
func TestRSARefusesEachOtherEncoding(t *testing.T) {
	t.Parallel()
	m := modulusOf(2049)
	key := m.key(t, 3)
	for _, a := range pkcs1(key) {
		encoding := m.encoding(t, a)
		refuse := func(what string, changed []byte) {
			s, _ := m.root(new(big.Int).SetBytes(changed), 3)
			if verdict(t, key, a, s.FillBytes(make([]byte, m.size()))) {
				t.Errorf("%s: accepted with %s", a.name, what)
			}
		}
		for i := range encoding {
			changed := slices.Clone(encoding)
			changed[i] ^= 1 << (i % 8)
			refuse(fmt.Sprintf("octet %d changed", i), changed)
		}
		begin := 3 + slices.Index(encoding[2:], 0) // of DigestInfo
		info := slices.Clone(encoding[begin:])
		null := slices.Index(info, 0x05)
		info = slices.Delete(info, null, null+2)
		info[1], info[3] = info[1]-2, info[3]-2 // the lengths of the two sequences
		refuse("no NULL", slices.Concat(encoding[:begin-1], []byte{0xff, 0xff, 0}, info))
	}
}

// TestFIPSVerifiesWithTheStandardLibrary runs the other tests of RSA in that mode, which
// is a setting of the process.
func TestFIPSVerifiesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	if key := mustKey(t, "k", &rsaKey().PublicKey, ""); (key.modulus == nil) != fips140.Enabled() {
		t.Errorf("FIPS 140-3 mode %v, and a modulus is prepared: %v", fips140.Enabled(), key.modulus != nil)
	}
	if fips140.Enabled() {
		return
	}
	for mode, tests := range map[string]string{
		"on":   "^TestFIPS|^TestRSARefuses",
		"only": "^TestFIPS|^TestKeysAreNamedByTheirCertificate$",
	} {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+tests, "-test.v")
		command.Env = append(command.Environ(), "GODEBUG=fips140="+mode)
		if output, err := command.CombinedOutput(); err != nil || strings.Count(string(output), "--- PASS: Test") < 2 {
			t.Errorf("%s: %v\n%s", mode, err, output)
		}
	}
}

// TestKeysAreNamedByTheirCertificate, also where FIPS 140-3 allows no SHA-1 otherwise.
func TestKeysAreNamedByTheirCertificate(t *testing.T) {
	t.Parallel()
	if x5t, x5tS256 := (object{"x5c": []byte(`["AAAA"]`)}).thumbprints(); x5t == "" || x5tS256 == "" {
		t.Errorf("the names are %q and %q", x5t, x5tS256)
	}
}
