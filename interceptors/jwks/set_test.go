package jwks

import (
	"crypto/elliptic"
	"errors"
	"testing"
)

func TestStaticLookup(t *testing.T) {
	t.Parallel()
	rsa := mustKey(t, "a", &rsaKey().PublicKey, "RS256")
	ec := mustKey(t, "a", ecKey(t, elliptic.P256()).Public(), "")
	ed := mustKey(t, "b", edKey(t).Public(), "")
	nameless := mustKey(t, "", edKey(t).Public(), "")
	for _, row := range []struct {
		name           string
		keys           []*Key
		kid, algorithm string
		want           *Key
		err            error
	}{
		{"by its kid", []*Key{rsa, ed}, "b", "EdDSA", ed, nil},
		{"by kid and algorithm", []*Key{rsa, ec}, "a", "ES256", ec, nil},
		{"for another algorithm", []*Key{rsa, ed}, "b", "RS256", nil, ErrAlgorithm},
		{"for an algorithm that the type allows and the key does not", []*Key{rsa}, "a", "PS256", nil, ErrAlgorithm},
		{"by another kid", []*Key{rsa, ed}, "c", "RS256", nil, ErrUnknownKey},
		{"by a kid in capitals", []*Key{rsa}, "A", "RS256", nil, ErrUnknownKey},
		{"without a kid, the only key", []*Key{rsa}, "", "RS256", rsa, nil},
		{"without a kid, one of two", []*Key{rsa, ed}, "", "RS256", nil, ErrUnknownKey},
		{"the nameless key by any kid", []*Key{nameless}, "c", "EdDSA", nameless, nil},
		{"the nameless key for another algorithm", []*Key{nameless}, "c", "RS256", nil, ErrAlgorithm},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			set, err := NewStatic(row.keys...)
			if err != nil {
				t.Fatal(err)
			}
			key, err := set.Lookup(t.Context(), row.kid, row.algorithm)
			if key != row.want || !errors.Is(err, row.err) {
				t.Errorf("%v, %v: want %v, %v", key, err, row.want, row.err)
			}
		})
	}
	if _, err := new(Static).Lookup(t.Context(), "a", "RS256"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the zero Static: %v, want ErrUnknownKey", err)
	}
}

func TestNewStaticRefuses(t *testing.T) {
	t.Parallel()
	rsa := mustKey(t, "a", &rsaKey().PublicKey, "")
	for name, keys := range map[string][]*Key{
		"no key":                nil,
		"a nil key":             {nil},
		"a zero key":            {new(Key)},
		"a nameless key of two": {rsa, mustKey(t, "", edKey(t).Public(), "")},
		"two of one kid":        {rsa, mustKey(t, "a", &rsaKey().PublicKey, "RS256")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if set, err := NewStatic(keys...); !errors.Is(err, ErrUnusableKey) || set != nil {
				t.Errorf("%v, want ErrUnusableKey", err)
			}
		})
	}
}
