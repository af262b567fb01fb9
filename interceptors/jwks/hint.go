package jwks

import "fmt"

// MaxCandidates is the most keys that a Set returns for one token.
const MaxCandidates = 4

// A Hint is what the header of a token says of its key (RFC 7515, section 4.1).
// Any of its names may be empty. The first that is there counts, in the order of
// the fields: a token with a kid is not looked up by its thumbprints.
type Hint struct {
	KeyID     string // kid
	X5TS256   string // x5t#S256, the SHA-256 thumbprint of a certificate
	X5T       string // x5t, the SHA-1 thumbprint of a certificate
	Algorithm string // alg
}

// String describes the key for logs, by its name and not by its algorithm.
func (h Hint) String() string {
	switch {
	case h.KeyID != "":
		return fmt.Sprintf("key %.100q", h.KeyID)
	case h.X5TS256 != "":
		return fmt.Sprintf("key with x5t#S256 %.100q", h.X5TS256)
	case h.X5T != "":
		return fmt.Sprintf("key with x5t %.100q", h.X5T)
	default:
		return "key without a kid"
	}
}

// name returns the name that counts, without the algorithm; the zero Hint when
// there is none.
func (h Hint) name() Hint {
	switch {
	case h.KeyID != "":
		return Hint{KeyID: h.KeyID}
	case h.X5TS256 != "":
		return Hint{X5TS256: h.X5TS256}
	default:
		return Hint{X5T: h.X5T}
	}
}
