package verifiers_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/verifiers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A comparison is worth something only when everybody does the work.
func TestEveryVerifierVerifies(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		iss := issuer.New(algorithm)
		trust, token := iss.Trust(), iss.Token(1)
		// Of another key, under the kid of the trusted one.
		forged := token[:strings.LastIndexByte(token, '.')+1] + signatureOf(issuer.New(algorithm).Token(1))
		contenders := append(verifiers.All(), verifiers.Verifier{Name: "ostiary", New: verifiers.Ours})
		for _, contender := range contenders {
			t.Run(algorithm+" with "+contender.Name, func(t *testing.T) {
				t.Parallel()
				verify, err := contender.New(t.Context(), trust)
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(t.Context(), token); err != nil {
					t.Errorf("the token is refused: %v", err)
				}
				if err := verify(t.Context(), forged); err == nil {
					t.Error("a forged token is accepted")
				}
			})
		}
		t.Run(algorithm+" with the standard library", func(t *testing.T) {
			t.Parallel()
			check, err := verifiers.Signature(trust, token)
			if err != nil {
				t.Fatal(err)
			}
			if err := check(); err != nil {
				t.Errorf("the signature is refused: %v", err)
			}
			check, err = verifiers.Signature(trust, forged)
			if err != nil {
				t.Fatal(err)
			}
			if err := check(); err == nil {
				t.Error("a forged signature is accepted")
			}
		})
	}
}

func signatureOf(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }
