package jwks

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	jwx "github.com/lestrrat-go/jwx/v3/jwk"
)

func TestParseOneKey(t *testing.T) {
	t.Parallel()
	rsa := publicJWK(t, "k", &rsaKey().PublicKey)
	ec := publicJWK(t, "k", ecKey(t, elliptic.P256()).Public())
	ed := publicJWK(t, "k", edKey(t).Public())
	modulus := rsa["n"].(string)
	x := ec["x"].(string)
	for _, row := range []struct {
		name       string
		key        jwk
		algorithms string // of the key, where it is used
		skipped    string // else why not
	}{
		{"RSA", rsa, "RS256 RS384 RS512 PS256 PS384 PS512", ""},
		{"RSA for one algorithm", rsa.with("alg", "RS256"), "RS256", ""},
		{"EC", ec, "ES256", ""},
		{"EC on P-384", publicJWK(t, "k", ecKey(t, elliptic.P384()).Public()), "ES384", ""},
		{"EC on P-521", publicJWK(t, "k", ecKey(t, elliptic.P521()).Public()), "ES512", ""},
		{"Ed25519", ed, "EdDSA", ""},
		{"without a kid", ed.with("kid", nil), "EdDSA", ""},
		{"for signatures", ed.with("use", "sig"), "EdDSA", ""},
		{"for verifying after others", ed.with("key_ops", []string{"encrypt", "sign", "verify"}), "EdDSA", ""},
		{"with an empty use", rsa.with("use", "").with("alg", "RS256"), "RS256", ""},
		{"with an empty alg", rsa.with("alg", ""), "RS256 RS384 RS512 PS256 PS384 PS512", ""},
		{"with key_ops that is an empty text", ec.with("key_ops", ""), "ES256", ""},
		{"with empty key_ops", ec.with("key_ops", []string{}), "ES256", ""},
		{"Ed25519 by the name of RFC 9864", ed.with("alg", "Ed25519"), "EdDSA", ""},
		{"Ed25519 by the name of RFC 8037", ed.with("alg", "EdDSA"), "EdDSA", ""},
		{"EC with a sign octet in x", ec.with("x", b64(append([]byte{0}, fromB64(t, ec["x"])...))), "ES256", ""},
		{"EC with sign octets in both", ec.with("x", b64(append([]byte{0, 0}, fromB64(t, ec["x"])...))).with("y", b64(append([]byte{0}, fromB64(t, ec["y"])...))), "ES256", ""},
		{"for verifying among others", ed.with("key_ops", []string{"sign", "verify"}), "EdDSA", ""},
		{"with members that nobody knows", ed.with("x5t", "abc").with("x5c", 7).with("D", "not d"), "EdDSA", ""},
		{"with nulls for what is not there", rsa.with("alg", json.RawMessage("null")).with("d", json.RawMessage("null")), "RS256 RS384 RS512 PS256 PS384 PS512", ""},
		{"RSA with a leading zero octet", rsa.with("n", b64(append([]byte{0}, rsaKey().N.Bytes()...))), "RS256 RS384 RS512 PS256 PS384 PS512", ""},

		{"symmetric", jwk{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}, "", "private or symmetric"},
		{"RSA, private", rsa.with("d", "c2VjcmV0"), "", "private or symmetric"},
		{"RSA with one prime", rsa.with("p", "c2VjcmV0"), "", "private or symmetric"},
		{"EC, private", ec.with("d", "c2VjcmV0"), "", "private or symmetric"},
		{"Ed25519, private", ed.with("d", ""), "", "private or symmetric"},
		{"for encryption", rsa.with("use", "enc"), "", `use is "enc"`},
		{"with a use that is no string", rsa.with("use", 1), "", `"use" is not a string`},
		{"for signing alone", rsa.with("key_ops", []string{"sign"}), "", "do not list verify"},
		{"for an operation without a name", rsa.with("key_ops", []string{""}), "", "do not list verify"},
		{"for encryption, whatever the key_ops", rsa.with("use", "enc").with("key_ops", []string{"verify"}), "", `use is "enc"`},
		{"for a use in capitals", rsa.with("use", "SIG"), "", `use is "SIG"`},
		{"with key_ops that is no list", rsa.with("key_ops", "verify"), "", "not a list"},
		{"with a kid that is no string", rsa.with("kid", 1), "", `"kid" is not a string`},
		{"with an alg that is no string", rsa.with("alg", []string{"RS256"}), "", `"alg" is not a string`},
		{"RSA for encryption by its alg", rsa.with("alg", "RSA-OAEP"), "", "does not fit"},
		{"RSA for a MAC", rsa.with("alg", "HS256"), "", "does not fit"},
		{"RSA for none", rsa.with("alg", "none"), "", "does not fit"},
		{"EC for the algorithm of another curve", ec.with("alg", "ES512"), "", "does not fit"},
		{"without a type", rsa.with("kty", nil), "", `type is ""`},
		{"of an unknown type", rsa.with("kty", "AKP"), "", `type is "AKP"`},
		{"of a type in small letters", rsa.with("kty", "rsa"), "", `type is "rsa"`},
		{"EC on secp256k1", ec.with("crv", "secp256k1"), "", `curve is "secp256k1"`},
		{"EC on the curve of another size", ec.with("crv", "P-384"), "", "32 octets"},
		{"EC beside its curve", ec.with("y", ec["x"]), "", "not on curve"},
		{"EC with a coordinate of zeros", ec.with("x", b64(make([]byte, 32))).with("y", b64(make([]byte, 32))), "", "identity point"},
		{"EC with an octet too many that is no sign", ec.with("x", b64(append([]byte{1}, fromB64(t, ec["x"])...))), "", "33 octets"},
		{"Ed25519 with a sign octet", ed.with("x", b64(append([]byte{0}, fromB64(t, ed["x"])...))), "", "33 octets"},
		{"Ed25519 for Ed448", ed.with("alg", "Ed448"), "", "does not fit"},
		{"EC for Ed25519", ec.with("alg", "Ed25519"), "", "does not fit"},
		{"EC with a coordinate cut short", ec.with("x", x[:40]), "", "30 octets"},
		{"EC without y", ec.with("y", nil), "", `"y" is missing`},
		{"OKP for key agreement", ed.with("crv", "X25519"), "", `curve is "X25519"`},
		{"Ed25519 beside the curve", ed.with("x", b64(bytes.Repeat([]byte{2}, 32))), "", "not on the curve"},
		{"Ed25519 that anyone can sign for", ed.with("x", b64(make([]byte, 32))), "", "small order"},
		{"Ed25519 that is too short", ed.with("x", b64(make([]byte, 31))), "", "31 octets"},
		{"RSA that is too short", rsa.with("n", b64(rsaKey().N.Bytes()[:128])), "", "1024 bits"},
		{"RSA that is too long", rsa.with("n", b64([]byte("\x01"+strings.Repeat("\x01", 1024)))), "", "8193 bits"},
		{"RSA with exponent 1", rsa.with("e", "AQ"), "", "got 1"},
		{"RSA with an even exponent", rsa.with("e", "AQAA"), "", "positive odd integer"},
		{"RSA with an exponent of 32 bits", rsa.with("e", "gAAAAQ"), "", "exponent 2147483649"},
		{"RSA with an exponent of 4096 octets", rsa.with("e", b64([]byte(strings.Repeat("\x01", 4096)))), "", "exponent"},
		{"RSA without n", rsa.with("n", nil), "", `"n" is missing`},
		{"RSA without e", rsa.with("e", ""), "", `"e" is missing`},
		{"base64 with padding", rsa.with("e", "AQAB===="), "", "base64url"},
		{"base64 of the other alphabet", rsa.with("n", "+/"+modulus), "", "base64url"},
		{"base64 with a line end", rsa.with("n", modulus[:8]+"\n"+modulus[8:]), "", "base64url"},
		{"base64 with stray bits", rsa.with("e", "AR"), "", "base64url"},
		{"a number for n", rsa.with("n", 7), "", `"n" is not a string`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			keys, skipped, err := Parse(keySet(t, row.key))
			if row.skipped != "" {
				if !errors.Is(err, ErrDocument) || len(keys) != 0 {
					t.Fatalf("keys %v, %v: want none and ErrDocument", keys, err)
				}
				if len(skipped) != 1 || !strings.Contains(skipped[0].Reason, row.skipped) {
					t.Errorf("skipped %+v, want %q", skipped, row.skipped)
				}
				return
			}
			if err != nil || len(keys) != 1 || len(skipped) != 0 {
				t.Fatalf("keys %v, skipped %v, %v", keys, skipped, err)
			}
			if got := strings.Join(keys[0].Algorithms(), " "); got != row.algorithms {
				t.Errorf("algorithms %q, want %q", got, row.algorithms)
			}
		})
	}
}

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

func TestParseKeepsTheFirstOfRivals(t *testing.T) {
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

// TestNoSettingOfJWXLoosensTheRules: another part of the program may have changed
// what jwx accepts.
func TestNoSettingOfJWXLoosensTheRules(t *testing.T) { //nolint:paralleltest // it changes settings of the process
	jwx.Configure(jwx.WithMinRSAModulusBits(512), jwx.WithMinRSAPublicExponent(1), jwx.WithStrictKeyUsage(false))
	defer jwx.Configure(jwx.WithMinRSAModulusBits(2048), jwx.WithMinRSAPublicExponent(3))
	rsa := publicJWK(t, "k", &rsaKey().PublicKey)
	for _, row := range []struct {
		name string
		key  jwk
		says string
	}{
		{"a short modulus", rsa.with("n", b64(rsaKey().N.Bytes()[:128])), "1024 bits: use 2048 to 8192"},
		{"exponent 1", rsa.with("e", "AQ"), "RSA exponent 1: use an odd one"},
		{"a use that is not for signatures", rsa.with("use", "enc"), `use is "enc"`},
	} {
		_, skipped, err := Parse(keySet(t, row.key))
		if !errors.Is(err, ErrDocument) || len(skipped) != 1 || !strings.Contains(skipped[0].Reason, row.says) {
			t.Errorf("%s: %v, skipped %+v, want %q", row.name, err, skipped, row.says)
		}
	}
}

// TestParseReadsWhatJWXWrites, from keys that it imported.
func TestParseReadsWhatJWXWrites(t *testing.T) {
	t.Parallel()
	for _, public := range []crypto.PublicKey{
		&rsaKey().PublicKey,
		ecKey(t, elliptic.P256()).Public(), ecKey(t, elliptic.P384()).Public(), ecKey(t, elliptic.P521()).Public(),
		edKey(t).Public(),
	} {
		key, err := jwx.Import(public)
		if err != nil {
			t.Fatal(err)
		}
		set := jwx.NewSet()
		if err := errors.Join(key.Set("kid", "k"), key.Set("use", "sig"), set.AddKey(key)); err != nil {
			t.Fatal(err)
		}
		document, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		keys, _, err := Parse(document)
		if err != nil {
			t.Fatal(err)
		}
		if !keys[0].same(mustKey(t, "k", public, "")) {
			t.Errorf("%T was read as another key", public)
		}
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
				t.Errorf("key %q cannot be told from another", key.ID())
			}
		}
		for _, s := range skipped {
			if s.Reason == "" {
				t.Errorf("entry %d is skipped without a reason", s.Index)
			}
		}
	})
}
