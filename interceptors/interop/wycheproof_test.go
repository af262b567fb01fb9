package interop_test

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/ostiary/ostiary/interceptors/jwks"
)

// TestKeysAgreeWithWycheproof has keys give the verdicts of Wycheproof's test vectors, which
// collect the forgeries and the edge cases that verifiers have fallen for. What a vector
// calls acceptable is an encoding that some verifiers let pass; here it is refused.
func TestKeysAgreeWithWycheproof(t *testing.T) {
	t.Parallel()
	for file, algorithm := range map[string]string{
		"rsa_signature_2048_sha256_test.json":    "RS256",
		"rsa_signature_2048_sha384_test.json":    "RS384",
		"rsa_signature_2048_sha512_test.json":    "RS512",
		"rsa_signature_3072_sha256_test.json":    "RS256",
		"rsa_signature_3072_sha384_test.json":    "RS384",
		"rsa_signature_3072_sha512_test.json":    "RS512",
		"rsa_signature_4096_sha256_test.json":    "RS256",
		"rsa_signature_4096_sha384_test.json":    "RS384",
		"rsa_signature_4096_sha512_test.json":    "RS512",
		"rsa_signature_8192_sha256_test.json":    "RS256",
		"rsa_signature_8192_sha384_test.json":    "RS384",
		"rsa_signature_8192_sha512_test.json":    "RS512",
		"rsa_pss_2048_sha256_mgf1_32_test.json":  "PS256",
		"rsa_pss_2048_sha384_mgf1_48_test.json":  "PS384",
		"rsa_pss_4096_sha512_mgf1_64_test.json":  "PS512",
		"ecdsa_secp256r1_sha256_p1363_test.json": "ES256",
		"ecdsa_secp384r1_sha384_p1363_test.json": "ES384",
		"ecdsa_secp521r1_sha512_p1363_test.json": "ES512",
		"ed25519_test.json":                      "EdDSA",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			checkVectors(t, file, algorithm)
		})
	}
}

func checkVectors(t *testing.T, file, algorithm string) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		TestGroups []struct {
			PublicKeyDER string `json:"publicKeyDer"`
			Tests        []struct {
				ID      int `json:"tcId"`
				Comment string
				Message string `json:"msg"`
				Sig     string
				Result  string
			}
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	results := map[string]int{}
	for _, group := range vectors.TestGroups {
		public, err := x509.ParsePKIXPublicKey(decodeHex(t, group.PublicKeyDER))
		if err != nil {
			t.Fatal(err)
		}
		key, err := jwks.NewKey("", public, algorithm)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range group.Tests {
			results[test.Result]++
			err := key.Verify(algorithm, decodeHex(t, test.Message), decodeHex(t, test.Sig))
			if (err == nil) != (test.Result == "valid") {
				t.Errorf("%d, %s, which is %s: %v", test.ID, test.Comment, test.Result, err)
			}
		}
	}
	if results["valid"] < 7 || results["invalid"] < 40 {
		t.Errorf("%v: the vectors are not there", results)
	}
}

func decodeHex(t *testing.T, text string) []byte {
	t.Helper()
	octets, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}
