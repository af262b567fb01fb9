package jwks

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"errors"
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

func TestKeysOfASPIFFEBundle(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		allow bool
		use   string
		want  error
	}{
		{"jwt-svid where it is allowed", true, "jwt-svid", nil},
		{"jwt-svid where it is not", false, "jwt-svid", ErrUnknownKey},
		{"x509-svid, which signs certificates", true, "x509-svid", ErrUnknownKey},
		{"enc", true, "enc", ErrUnknownKey},
		{"sig", true, "sig", nil},
		{"no use", true, "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			issuer := newServer(t)
			issuer.setOf(t, "first", "second")
			issuer.answerWith(body(string(keySet(t, issuer.keys["second"], issuer.keys["first"].with("use", row.use)))))
			config := RemoteConfig{URL: issuer.url, AllowJWTSVID: row.allow, Snapshot: t.TempDir() + "/keys.json"}
			keys := newRemote(t, config)
			if err := lookup(t, keys, "first"); !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			if err := keys.Close(); err != nil {
				t.Fatal(err)
			}
			issuer.answerWith(hang)
			restarted := newRemote(t, config)
			if _, err := restarted.find(Hint{KeyID: "first", Algorithm: "ES256"}); !errors.Is(err, row.want) {
				t.Errorf("from the snapshot: %v, want %v", err, row.want)
			}
		})
	}
}
