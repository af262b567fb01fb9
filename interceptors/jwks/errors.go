package jwks

import "errors"

// The errors of this package, for errors.Is. None holds any part of a token or
// of a key.
var (
	// ErrUnknownKey means that the set has no key of that name.
	ErrUnknownKey = errors.New("the key set has no such key")
	// ErrAlgorithm means that the key is not for that algorithm.
	ErrAlgorithm = errors.New("the key is not for this algorithm")
	// ErrUnavailable means that there are no keys, or none fresh enough, to
	// answer from, or that the key is not among them and the issuer cannot be
	// reached. Trying again later helps.
	ErrUnavailable = errors.New("the key set is unavailable")
	// ErrSignature means that the signature does not match.
	ErrSignature = errors.New("the signature does not match")
	// ErrUnusableKey means that a key is not one that this package verifies with.
	ErrUnusableKey = errors.New("unusable key")
	// ErrDocument means that a document is not a key set with a usable key.
	ErrDocument = errors.New("not a usable key set")
)
