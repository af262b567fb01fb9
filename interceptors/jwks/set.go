package jwks

import (
	"context"
	"errors"
	"fmt"
)

// A Set is the keys of one issuer. Static and Remote are sets. It must be safe
// for concurrent use.
type Set interface {
	// Lookup finds the key that a token names by its kid and algorithm. The
	// empty kid finds the only key of a set of one.
	//
	// The error is ErrUnknownKey when there is no such key, ErrAlgorithm when
	// there is one, but not for this algorithm, and ErrUnavailable when there
	// are no keys to answer from. It waits no longer than ctx allows.
	Lookup(ctx context.Context, kid, algorithm string) (*Key, error)
}

// Static is a set whose keys never change. The zero Static knows no key.
type Static struct {
	keys keyring
}

// NewStatic returns a set of the given keys. A key without an ID must be the
// only one, and then answers for every kid.
//
// The error is ErrUnusableKey: without keys, for a nil key, for a key without an
// ID among others, and for two keys that a token could mean by the same kid.
func NewStatic(keys ...*Key) (*Static, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: a static set needs at least one", ErrUnusableKey)
	}
	for i, key := range keys {
		if key == nil || key.public == nil {
			return nil, fmt.Errorf("%w: number %d is empty: make keys with NewKey or Parse", ErrUnusableKey, i)
		}
		if key.id == "" && len(keys) > 1 {
			return nil, fmt.Errorf("%w: number %d has no ID: only the single key of a set may go without", ErrUnusableKey, i)
		}
		for _, earlier := range keys[:i] {
			if earlier.rivals(key) {
				return nil, fmt.Errorf("%w: two have the ID %q: give each its own", ErrUnusableKey, key.id)
			}
		}
	}
	return &Static{keys: newKeyring(keys)}, nil
}

// Lookup implements Set. It never waits, and never returns ErrUnavailable.
func (s *Static) Lookup(_ context.Context, kid, algorithm string) (*Key, error) {
	if len(s.keys.byID[""]) > 0 {
		kid = ""
	}
	return s.keys.find(kid, algorithm)
}

// A keyring finds keys by their kid. It is immutable.
type keyring struct {
	all  []*Key
	byID map[string][]*Key // several only where their algorithms differ
}

func newKeyring(keys []*Key) keyring {
	byID := make(map[string][]*Key, len(keys))
	for _, key := range keys {
		byID[key.id] = append(byID[key.id], key)
	}
	return keyring{all: keys, byID: byID}
}

// find returns the errors of Lookup unwrapped, so that it allocates nothing.
func (k keyring) find(kid, algorithm string) (*Key, error) {
	named := k.named(kid)
	if len(named) == 0 {
		return nil, ErrUnknownKey
	}
	for _, key := range named {
		if key.indexAlgorithm(algorithm) >= 0 {
			return key, nil
		}
	}
	return nil, ErrAlgorithm
}

// named returns the keys that a token can mean by kid. One that names no key
// means the only one there is; among several there is no telling.
func (k keyring) named(kid string) []*Key {
	switch {
	case kid != "":
		return k.byID[kid]
	case len(k.all) == 1:
		return k.all
	default:
		return nil
	}
}

// isUnknown reports whether a newer set could have another answer than err.
func isUnknown(err error) bool {
	return errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrUnavailable)
}
