package jwks

import (
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseRefusesTheDocument(t *testing.T) {
	t.Parallel()
	key := publicJWK(t, "k", edKey(t).Public())
	set := string(keySet(t, key))
	for name, document := range map[string]string{
		"nothing":              "",
		"null":                 "null",
		"an array":             "[]",
		"no keys member":       "{}",
		"keys in capitals":     strings.Replace(set, "keys", "Keys", 1),
		"null keys":            `{"keys":null}`,
		"keys of another type": `{"keys":{}}`,
		"no keys":              `{"keys":[]}`,
		"keys that are none":   `{"keys":[null,1,"x",[],{}]}`,
		"a second document":    set + set,
		"trailing garbage":     set + "\x00",
		"two byte order marks": "\ufeff\ufeff" + set,
		"a mark after blanks":  " \ufeff" + set,
		"not UTF-8":            strings.Replace(set, `"kid":"k"`, "\"kid\":\"\xff\"", 1),
		"nesting without end":  strings.Repeat(`{"keys":[`, 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, _, err := Parse([]byte(document))
			if !errors.Is(err, ErrDocument) || keys != nil {
				t.Errorf("%v, %v: want ErrDocument", keys, err)
			}
		})
	}
}

func TestParseSkipsAByteOrderMark(t *testing.T) {
	t.Parallel()
	set := keySet(t, publicJWK(t, "k", edKey(t).Public()))
	if keys, _, err := Parse(append([]byte("\ufeff"), set...)); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestParseKeepsTheFirstOfKeysWithTheSameKid(t *testing.T) {
	t.Parallel()
	rsa := publicJWK(t, "k", &rsaKey().PublicKey)
	ec := publicJWK(t, "k", ecKey(t, elliptic.P256()).Public())
	other := publicJWK(t, "k", ecKey(t, elliptic.P256()).Public())
	for _, row := range []struct {
		name    string
		keys    []jwk
		kept    []int
		skipped string
	}{
		{"the same key twice", []jwk{ec, ec}, []int{0}, "listed twice"},
		{"two keys of one algorithm", []jwk{ec, other}, []int{0}, "the same kid"},
		{"two uses of one key that overlap", []jwk{rsa, rsa.with("alg", "RS256")}, []int{0}, "the same kid"},
		{"two uses of one key", []jwk{rsa.with("alg", "RS256"), rsa.with("alg", "RS512")}, []int{0, 1}, ""},
		{"two types", []jwk{rsa, ec}, []int{0, 1}, ""},
		{"a broken one first", []jwk{ec.with("x", ""), other}, []int{1}, "base64url"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			keys, skipped, err := Parse(keySet(t, row.keys...))
			if err != nil {
				t.Fatal(err)
			}
			if len(keys) != len(row.kept) {
				t.Fatalf("%d keys, want those of %v", len(keys), row.kept)
			}
			for i, at := range row.kept {
				if alone, _, err := Parse(keySet(t, row.keys[at])); err != nil || !keys[i].same(alone[0]) {
					t.Errorf("key %d is not entry %d: %v", i, at, err)
				}
			}
			if row.skipped != "" && (len(skipped) != 1 || !strings.Contains(skipped[0].Reason, row.skipped)) {
				t.Errorf("skipped %+v, want %q", skipped, row.skipped)
			}
		})
	}
}

func TestParseKeepsKeysWithoutAKid(t *testing.T) {
	t.Parallel()
	named := publicJWK(t, "k", edKey(t).Public())
	nameless := named.with("kid", nil)
	other := publicJWK(t, "", ecKey(t, elliptic.P256()).Public())
	for _, row := range []struct {
		name    string
		keys    []jwk
		kept    []string
		skipped []int
	}{
		{"the only key", []jwk{nameless}, []string{""}, nil},
		{"the only usable key", []jwk{named.with("x", ""), nameless}, []string{""}, []int{0}},
		{"beside a key with a name", []jwk{other, named}, []string{"", "k"}, nil},
		{"two of different types", []jwk{nameless, other}, []string{"", ""}, nil},
		{"one of them twice", []jwk{nameless, other, nameless.with("kid", "")}, []string{"", ""}, []int{2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			keys, skipped, err := Parse(keySet(t, row.keys...))
			if err != nil {
				t.Error(err)
			}
			var kept []string
			for _, key := range keys {
				kept = append(kept, key.ID())
			}
			var left []int
			for _, s := range skipped {
				left = append(left, s.Index)
			}
			if !slices.Equal(kept, row.kept) || !slices.Equal(left, row.skipped) {
				t.Errorf("kept %q, skipped %+v: want %q and %v", kept, skipped, row.kept, row.skipped)
			}
		})
	}
}

// FuzzParse holds that no document brings a panic or a key that NewKey would not
// have taken.
func FuzzParse(f *testing.F) {
	rsa, ec, ed := publicJWK(f, "r", &rsaKey().PublicKey), publicJWK(f, "e", ecKey(f, elliptic.P256()).Public()), publicJWK(f, "d", edKey(f).Public())
	f.Add(keySet(f, rsa, ec, ed))
	f.Add(keySet(f, rsa.with("alg", "RS256"), rsa.with("alg", "PS256"), ec.with("use", "enc")))
	f.Add(keySet(f, ed.with("d", "c2VjcmV0"), ec.with("y", ec["x"]), rsa.with("e", "AQ")))
	f.Add(keySet(f, jwk{"kty": "oct", "k": "c2VjcmV0"}, ed))
	f.Add(keySet(f, ed.with("kid", nil), ec.with("kid", "")))
	for _, document := range []string{``, `{}`, `{"keys":[]}`, `{"keys":[null,{}]}`, `{"keys":[{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}]}`} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, skipped, err := Parse(document)
		if (err == nil) != (len(keys) > 0) || err != nil && !errors.Is(err, ErrDocument) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for i, key := range keys {
			for _, name := range key.Algorithms() {
				if again, err := NewKey(key.ID(), key.public, name); err != nil || again.indexAlgorithm(name) != 0 {
					t.Errorf("a key that NewKey refuses: %v", err)
				}
				_ = key.Verify(name, []byte(input), make([]byte, 64)) // must not panic
			}
			if slices.ContainsFunc(keys[:i], key.conflicts) {
				t.Errorf("key %q cannot be distinguished from another", key.ID())
			}
		}
		for _, s := range skipped {
			if s.Reason == "" {
				t.Errorf("entry %d is skipped without a reason", s.Index)
			}
		}
	})
}
