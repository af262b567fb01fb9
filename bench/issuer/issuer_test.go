package issuer_test

import (
	"testing"

	"github.com/ostiary/ostiary/bench/issuer"
)

// A cache is probed with tokens that were dropped and are made anew.
func TestTheSameNumberHasTheSameToken(t *testing.T) {
	t.Parallel()
	iss := issuer.New("EdDSA")
	if first, again := iss.Token(7), iss.Token(7); first != again {
		t.Error("token 7 differs from token 7")
	}
	if iss.Token(7) == iss.Token(8) {
		t.Error("tokens 7 and 8 are the same")
	}
}

func TestTheTokenIsOfTheSizeOfClerks(t *testing.T) {
	t.Parallel()
	if size := len(issuer.New("RS256").Token(1)); size < 900 || size > 1000 {
		t.Errorf("the token has %d bytes, want a little over 900", size)
	}
}
