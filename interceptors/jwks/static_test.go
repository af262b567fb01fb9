package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func TestNewStaticRefuses(t *testing.T) {
	t.Parallel()
	rsa := mustKey(t, "a", &rsaKey().PublicKey, "")
	for name, keys := range map[string][]*Key{
		"no key":               nil,
		"a nil key":            {nil},
		"a zero key":           {new(Key)},
		"a key given twice":    {rsa, mustKey(t, "b", edKey(t).Public(), ""), rsa},
		"a nameless key twice": {mustKey(t, "", &rsaKey().PublicKey, ""), mustKey(t, "", &rsaKey().PublicKey, "")},
		"two of one kid":       {rsa, mustKey(t, "a", &rsaKey().PublicKey, "RS256")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if set, err := NewStatic(keys...); !errors.Is(err, ErrUnusableKey) || set != nil {
				t.Errorf("%v, want ErrUnusableKey", err)
			}
		})
	}
}

func pkix(t testing.TB, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func encodePEM(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func TestParsePEM(t *testing.T) {
	t.Parallel()
	public := &rsaKey().PublicKey
	whole := encodePEM("PUBLIC KEY", pkix(t, public))
	lines := strings.Split(strings.TrimSpace(whole), "\n")
	bare := strings.Join(lines[1:len(lines)-1], "\n")
	for name, text := range map[string]string{
		"a PUBLIC KEY":                  whole,
		"an RSA PUBLIC KEY":             encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(public)),
		"with line ends of Windows":     strings.ReplaceAll(whole, "\n", "\r\n"),
		"with line ends written as \\n": strings.ReplaceAll(whole, "\n", `\n`),
		"in one line":                   strings.ReplaceAll(whole, "\n", ""),
		"in one line with blanks":       strings.ReplaceAll(whole, "\n", " "),
		"without header and footer":     bare,
		"without them, and in one line": strings.ReplaceAll(bare, "\n", ""),
		"with space around it":          "\n\t " + whole + " \n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := ParsePEM([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, kid := range []string{"", "ins_1", "ins_2"} {
				key, err := findOne(t, set, Hint{KeyID: kid, Algorithm: "RS256"})
				if err != nil || !key.same(mustKey(t, "", public, "")) {
					t.Errorf("kid %q: %v", kid, err)
				}
			}
		})
	}
}

func TestParsePEMOfOtherTypes(t *testing.T) {
	t.Parallel()
	for algorithm, public := range map[string]crypto.PublicKey{
		"ES256": ecKey(t, elliptic.P256()).Public(),
		"EdDSA": edKey(t).Public(),
	} {
		set, err := ParsePEM([]byte(encodePEM("PUBLIC KEY", pkix(t, public))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := findOne(t, set, Hint{KeyID: "any", Algorithm: algorithm}); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if _, err := findOne(t, set, Hint{KeyID: "any", Algorithm: "RS256"}); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("RS256 of a key for %s: %v, want ErrAlgorithm", algorithm, err)
		}
	}
}

func TestParsePEMRefuses(t *testing.T) {
	t.Parallel()
	der := pkix(t, &rsaKey().PublicKey)
	whole := encodePEM("PUBLIC KEY", der)
	private, err := x509.MarshalPKCS8PrivateKey(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, text, says string
	}{
		{"nothing", "", "does not hold a PUBLIC KEY"},
		{"a private key", encodePEM("PRIVATE KEY", private), "is a private key"},
		{"an RSA private key", encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "is a private key"},
		{"a private key under another name", encodePEM("PUBLIC KEY", private), "does not hold a PUBLIC KEY"},
		{"a certificate", encodePEM("CERTIFICATE", der), `is a "CERTIFICATE"`},
		{"two keys", whole + whole, "exactly one"},
		{"text before it", "key: " + whole, "exactly one"},
		{"no footer", whole[:len(whole)-10], "cut short"},
		{"half a key", encodePEM("PUBLIC KEY", der[:100]), "does not hold a PUBLIC KEY"},
		{"something behind the key", encodePEM("PUBLIC KEY", append(bytes.Clone(der), 0)), "does not hold a PUBLIC KEY"},
		{"a publishable key", "pk_test_YS5iJA", "not base64"},
		{"a key for key agreement", encodePEM("PUBLIC KEY", pkix(t, agreement.PublicKey())), "type *ecdh.PublicKey"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			set, err := ParsePEM([]byte(row.text))
			if !errors.Is(err, ErrUnusableKey) || set != nil {
				t.Fatalf("%v, want ErrUnusableKey", err)
			}
			if !strings.Contains(err.Error(), row.says) {
				t.Errorf("%q does not say %q", err, row.says)
			}
		})
	}
}

// FuzzParsePEM holds that no text brings a panic, and that what is accepted is a
// key that NewKey accepts.
func FuzzParsePEM(f *testing.F) {
	whole := encodePEM("PUBLIC KEY", pkix(f, edKey(f).Public()))
	f.Add([]byte(whole))
	f.Add([]byte(strings.ReplaceAll(whole, "\n", `\n`)))
	f.Add([]byte("-----BEGIN -----END -----"))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----"))
	f.Add([]byte(encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := ParsePEM(text)
		if err != nil {
			if !errors.Is(err, ErrUnusableKey) {
				t.Fatal(err)
			}
			return
		}
		if _, err := NewKey("", set.keys.all[0].public, ""); err != nil {
			t.Fatal(err)
		}
	})
}
