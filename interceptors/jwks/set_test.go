package jwks

import (
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// TestLookup asks a Static and a Remote of the same keys, which answer alike.
func TestLookup(t *testing.T) {
	t.Parallel()
	rsa := publicJWK(t, "", &rsaKey().PublicKey).with("kid", nil)
	ec := publicJWK(t, "", ecKey(t, elliptic.P256()).Public()).with("kid", nil)
	ed := publicJWK(t, "", edKey(t).Public()).with("kid", nil)
	named := func(key jwk, id string) jwk { return key.with("kid", id) }
	nameless := func(n int) []jwk {
		keys := make([]jwk, n)
		for i := range keys {
			keys[i] = publicJWK(t, "", ecKey(t, elliptic.P256()).Public()).with("kid", nil)
		}
		return keys
	}
	other := publicJWK(t, "other", ecKey(t, elliptic.P256()).Public())
	certificate := []byte("any octets, since a certificate is hashed and not read")
	sum1, sum256 := sha1.Sum(certificate), sha256.Sum256(certificate)
	x5c := []string{base64.StdEncoding.EncodeToString(certificate), "AAAA"}
	for _, row := range []struct {
		name string
		keys []jwk
		hint Hint
		want []int // which of the keys
		err  error
	}{
		{"by its kid", []jwk{named(rsa, "a"), named(ed, "b")}, Hint{KeyID: "b", Algorithm: "EdDSA"}, []int{1}, nil},
		{"by kid and algorithm", []jwk{named(rsa, "a"), named(ec, "a")}, Hint{KeyID: "a", Algorithm: "ES256"}, []int{1}, nil},
		{"for another algorithm", []jwk{named(rsa, "a"), named(ed, "b")}, Hint{KeyID: "b", Algorithm: "RS256"}, nil, ErrAlgorithm},
		{"for an algorithm that the type allows and the key does not", []jwk{named(rsa, "a").with("alg", "RS256")}, Hint{KeyID: "a", Algorithm: "PS256"}, nil, ErrAlgorithm},
		{"for no algorithm", []jwk{named(rsa, "a")}, Hint{KeyID: "a"}, nil, ErrAlgorithm},
		{"for no algorithm and without a kid", []jwk{rsa}, Hint{}, nil, ErrAlgorithm},
		{"by another kid", []jwk{named(rsa, "a"), named(ed, "b")}, Hint{KeyID: "c", Algorithm: "RS256"}, nil, ErrUnknownKey},
		{"by a kid in capitals", []jwk{named(rsa, "a")}, Hint{KeyID: "A", Algorithm: "RS256"}, nil, ErrUnknownKey},

		{"Ed25519 is EdDSA", []jwk{named(ed, "a")}, Hint{KeyID: "a", Algorithm: "Ed25519"}, []int{0}, nil},
		{"Ed25519 in the key is EdDSA in the token", []jwk{named(ed, "a").with("alg", "Ed25519")}, Hint{KeyID: "a", Algorithm: "EdDSA"}, []int{0}, nil},
		{"EdDSA in the key is Ed25519 in the token", []jwk{named(ed, "a").with("alg", "EdDSA")}, Hint{KeyID: "a", Algorithm: "Ed25519"}, []int{0}, nil},
		{"Ed25519 without a kid", []jwk{rsa, ed}, Hint{Algorithm: "Ed25519"}, []int{1}, nil},

		{"without a kid, the only key", []jwk{named(rsa, "a")}, Hint{Algorithm: "RS256"}, []int{0}, nil},
		{"without a kid, the one that fits", []jwk{named(rsa, "a"), named(ec, "b")}, Hint{Algorithm: "ES256"}, []int{1}, nil},
		{"without a kid, the nameless one that fits", []jwk{rsa, ec}, Hint{Algorithm: "RS256"}, []int{0}, nil},
		{"without a kid, one of two that have their own", []jwk{named(ec, "a"), other}, Hint{Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"without a kid, the one of two that has none either", []jwk{other, ec}, Hint{Algorithm: "ES256"}, []int{1}, nil},
		{"without a kid, none that fits", []jwk{rsa, named(ec, "a")}, Hint{Algorithm: "EdDSA"}, nil, ErrAlgorithm},
		{"without a kid, four", nameless(4), Hint{Algorithm: "ES256"}, []int{0, 1, 2, 3}, nil},
		{"without a kid, the first four of five", nameless(5), Hint{Algorithm: "ES256"}, []int{0, 1, 2, 3}, nil},
		{"without a kid, of five those that fit", append(nameless(2), rsa, ed), Hint{Algorithm: "ES256"}, []int{0, 1}, nil},

		{"any kid where no key has one", []jwk{ed}, Hint{KeyID: "c", Algorithm: "EdDSA"}, []int{0}, nil},
		{"any kid where no key has one, by algorithm", []jwk{rsa, ed}, Hint{KeyID: "c", Algorithm: "EdDSA"}, []int{1}, nil},
		{"any kid where no key has one, for another algorithm", []jwk{ed}, Hint{KeyID: "c", Algorithm: "RS256"}, nil, ErrAlgorithm},
		{"another kid where some key has one", []jwk{ed, named(rsa, "a")}, Hint{KeyID: "c", Algorithm: "EdDSA"}, nil, ErrUnknownKey},

		{"another kid where some key before has one", []jwk{named(rsa, "a"), ed}, Hint{KeyID: "c", Algorithm: "EdDSA"}, nil, ErrUnknownKey},
		{"by an x5t that no key has, although one before has another", []jwk{named(rsa, "a").with("x5t", "1"), named(ec, "b")}, Hint{X5T: "2", Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"by an x5t#S256 that no key has, although one before has another", []jwk{named(rsa, "a").with("x5t#S256", "1"), named(ec, "b")}, Hint{X5TS256: "2", Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"by an x5t that two have", []jwk{named(ec, "a").with("x5t", "1"), other.with("x5t", "1")}, Hint{X5T: "1", Algorithm: "ES256"}, []int{0, 1}, nil},
		{"by x5t", []jwk{named(ec, "a").with("x5t", "one"), other.with("x5t", "two")}, Hint{X5T: "two", Algorithm: "ES256"}, []int{1}, nil},
		{"by x5t#S256", []jwk{named(ec, "a").with("x5t#S256", "one"), other.with("x5t#S256", "two")}, Hint{X5TS256: "one", Algorithm: "ES256"}, []int{0}, nil},
		{"by x5t#S256 before x5t", []jwk{named(ec, "a").with("x5t#S256", "one").with("x5t", "1"), other.with("x5t#S256", "two").with("x5t", "2")}, Hint{X5TS256: "two", X5T: "1", Algorithm: "ES256"}, []int{1}, nil},
		{"by x5t where no key has x5t#S256", []jwk{named(ec, "a").with("x5t", "1"), other.with("x5t", "2")}, Hint{X5TS256: "two", X5T: "2", Algorithm: "ES256"}, []int{1}, nil},
		{"by kid before x5t", []jwk{named(ec, "a").with("x5t", "1"), other.with("x5t", "2")}, Hint{KeyID: "a", X5T: "2", Algorithm: "ES256"}, []int{0}, nil},
		{"by an unknown kid, whatever the x5t", []jwk{named(ec, "a").with("x5t", "1")}, Hint{KeyID: "b", X5T: "1", Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"by an x5t that no key has, although one fits", []jwk{named(ec, "a").with("x5t", "1")}, Hint{X5T: "2", Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"by an x5t for another algorithm", []jwk{named(ec, "a").with("x5t", "1")}, Hint{X5T: "1", Algorithm: "RS256"}, nil, ErrAlgorithm},
		{"an x5t is no x5t#S256", []jwk{named(ec, "a").with("x5t", "1").with("x5t#S256", "2")}, Hint{X5T: "2", Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"any x5t where no key has one, the key that fits", []jwk{named(ec, "a"), named(rsa, "b")}, Hint{X5T: "1", Algorithm: "ES256"}, []int{0}, nil},
		{"any x5t where no key has one, of two", []jwk{named(ec, "a"), other}, Hint{X5T: "1", Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"by the SHA-1 of x5c", []jwk{other, named(ec, "a").with("x5c", x5c)}, Hint{X5T: b64(sum1[:]), Algorithm: "ES256"}, []int{1}, nil},
		{"by the SHA-256 of x5c", []jwk{other, named(ec, "a").with("x5c", x5c)}, Hint{X5TS256: b64(sum256[:]), Algorithm: "ES256"}, []int{1}, nil},
		{"the SHA-1 of x5c gives way to x5t", []jwk{named(ec, "a").with("x5c", x5c).with("x5t", "1")}, Hint{X5T: b64(sum1[:]), Algorithm: "ES256"}, nil, ErrUnknownKey},
		{"the SHA-256 of x5c beside x5t", []jwk{other, named(ec, "a").with("x5c", x5c).with("x5t", "1")}, Hint{X5TS256: b64(sum256[:]), Algorithm: "ES256"}, []int{1}, nil},
		{"an x5c that is not base64 is no name", []jwk{named(ec, "a").with("x5c", []string{"!"})}, Hint{X5T: "1", Algorithm: "ES256"}, []int{0}, nil},
		{"an empty x5c is no name", []jwk{named(ec, "a").with("x5c", []string{})}, Hint{X5T: "1", Algorithm: "ES256"}, []int{0}, nil},
		{"an x5t that is no string is no name", []jwk{named(ec, "a").with("x5t", 1)}, Hint{X5T: "1", Algorithm: "ES256"}, []int{0}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			document := keySet(t, row.keys...)
			keys, _, err := Parse(document)
			if err != nil || len(keys) != len(row.keys) {
				t.Fatal(keys, err)
			}
			static, err := NewStatic(keys...)
			if err != nil {
				t.Fatal(err)
			}
			issuer := newServer(t)
			issuer.answerWith(body(string(document)))
			for name, set := range map[string]Set{"Static": static, "Remote": newRemote(t, RemoteConfig{URL: issuer.url})} {
				found, err := set.Lookup(t.Context(), row.hint)
				if !errors.Is(err, row.err) {
					t.Fatalf("%s: %v, want %v", name, err, row.err)
				}
				if len(found) != len(row.want) {
					t.Fatalf("%s: %d keys, want those of %v", name, len(found), row.want)
				}
				for i, at := range row.want {
					if !found[i].same(keys[at]) {
						t.Errorf("%s: candidate %d is not key %d", name, i, at)
					}
				}
			}
		})
	}
	if _, err := new(Static).Lookup(t.Context(), Hint{KeyID: "a", Algorithm: "RS256"}); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the zero Static: %v, want ErrUnknownKey", err)
	}
	if _, err := new(Static).Lookup(t.Context(), Hint{Algorithm: "RS256"}); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the zero Static without a kid: %v, want ErrUnknownKey", err)
	}
}

func TestAHintDescribesTheKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 101)
	for _, row := range []struct {
		hint Hint
		want string
	}{
		{Hint{KeyID: "a", X5TS256: "b", X5T: "c", Algorithm: "RS256"}, `key "a"`},
		{Hint{X5TS256: "b", X5T: "c"}, `key with x5t#S256 "b"`},
		{Hint{X5T: "c", Algorithm: "RS256"}, `key with x5t "c"`},
		{Hint{Algorithm: "RS256"}, "key without a kid"},
		{Hint{KeyID: long}, `key "` + long[:100] + `"`},
		{Hint{X5TS256: long}, `key with x5t#S256 "` + long[:100] + `"`},
		{Hint{X5T: long}, `key with x5t "` + long[:100] + `"`},
	} {
		if got := row.hint.String(); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
