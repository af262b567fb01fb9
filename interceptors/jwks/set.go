package jwks

import (
	"context"
	"errors"
	"fmt"
)

// A Set is the keys of one issuer. Static and Remote are sets. It must be safe
// for concurrent use.
type Set interface {
	// Lookup returns the keys that a token can have been signed with, at least one
	// and at most MaxCandidates, for its signature to be tried with each. The
	// caller must not change the slice.
	//
	// A token that names its key by kid, x5t#S256 or x5t means the key of that
	// name. The kid of a token says nothing in a set in which no key has one; it
	// is the same for thumbprints. A token that names no key means the only key
	// that fits its algorithm; where several do, those that have no kid.
	//
	// The error is ErrUnknownKey when there is no such key, ErrAlgorithm when
	// there is one, but not for this algorithm, and ErrUnavailable when there
	// are no keys to answer from, or when the key is not among them and the issuer
	// cannot be reached. It waits no longer than ctx allows.
	Lookup(ctx context.Context, hint Hint) ([]*Key, error)
}

// A Watcher is a Set whose keys can change. Remote is one, Static is none.
type Watcher interface {
	// Watch calls changed whenever keys came into the set or left it, until stop is
	// called. Key.Live shows whether a key has left.
	Watch(changed func()) (stop func())
}

// Static is a set whose keys never change. The zero Static knows no key.
type Static struct {
	keys keyring
}

// NewStatic returns a set of the given keys.
//
// The error is ErrUnusableKey: without keys, for a nil key, for a key that is
// given twice, and for two keys that a token could mean by the same kid.
func NewStatic(keys ...*Key) (*Static, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: a static set needs at least one", ErrUnusableKey)
	}
	for i, key := range keys {
		if key == nil || key.public == nil {
			return nil, fmt.Errorf("%w: number %d is empty: make keys with NewKey or Parse", ErrUnusableKey, i)
		}
		for _, earlier := range keys[:i] {
			if earlier.same(key) || earlier.conflicts(key) {
				return nil, fmt.Errorf("%w: two have the ID %q: give each its own", ErrUnusableKey, key.id)
			}
		}
	}
	return &Static{keys: newKeyring(keys)}, nil
}

// Lookup implements Set. It never waits, and never returns ErrUnavailable.
func (s *Static) Lookup(_ context.Context, hint Hint) ([]*Key, error) {
	return s.keys.find(hint)
}

// isUnknown reports whether a newer set could have another answer than err.
func isUnknown(err error) bool {
	return errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrUnavailable)
}
