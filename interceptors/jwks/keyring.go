package jwks

import "slices"

// A keyring finds keys by hints. It is immutable.
type keyring struct {
	all []*Key
	// named has the keys of each name and algorithm; without a name, those that a
	// nameless token can mean.
	named map[Hint][]*Key
	// Which names any key has at all. What no key has, no token can be compared by.
	kids, x5ts256, x5ts bool
}

func newKeyring(keys []*Key) keyring {
	k := keyring{all: keys, named: map[Hint][]*Key{}}
	fitting := map[string][]*Key{}
	for _, key := range keys {
		for _, a := range key.algorithms {
			fitting[a.name] = append(fitting[a.name], key)
			for _, name := range key.names() {
				name.Algorithm = a.name
				k.add(name, key)
			}
		}
		k.kids = k.kids || key.id != ""
		k.x5ts256 = k.x5ts256 || key.x5tS256 != ""
		k.x5ts = k.x5ts || key.x5t != ""
	}
	for algorithm, keys := range fitting {
		for _, key := range keys {
			if len(keys) == 1 || key.id == "" {
				k.add(Hint{Algorithm: algorithm}, key)
			}
		}
	}
	return k
}

func (k keyring) add(hint Hint, key *Key) {
	if keys := k.named[hint]; len(keys) < MaxCandidates {
		k.named[hint] = append(keys, key)
	}
}

// find returns the keys that the hint can mean, and the errors of Lookup
// unwrapped, so that it allocates nothing.
func (k keyring) find(h Hint) ([]*Key, error) {
	name, algorithm := k.comparable(h).name(), CanonicalAlgorithm(h.Algorithm)
	hint := name
	hint.Algorithm = algorithm
	if keys := k.named[hint]; len(keys) > 0 {
		return keys, nil
	}
	known := false
	for _, key := range k.all {
		if name != (Hint{}) && !slices.Contains(key.names(), name) {
			continue
		}
		known = true
		if key.indexAlgorithm(algorithm) >= 0 {
			return nil, ErrUnknownKey // one of several that have names, and the token names none
		}
	}
	if known {
		return nil, ErrAlgorithm
	}
	return nil, ErrUnknownKey
}

// comparable leaves out the names that no key of the set has: in a set without
// any kid, as that of a PEM file, the kid of a token says nothing.
func (k keyring) comparable(h Hint) Hint {
	if !k.kids {
		h.KeyID = ""
	}
	if !k.x5ts256 {
		h.X5TS256 = ""
	}
	if !k.x5ts {
		h.X5T = ""
	}
	return h
}
