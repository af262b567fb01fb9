package authtest

import "slices"

// defaultAlgorithm is the one that Clerk signs with.
const defaultAlgorithm = "RS256"

// Key returns the key that tokens are signed with by default: the newest published
// one for RS256. It is made, and published,
// when it is first needed.
func (iss *Issuer) Key() *Key { return iss.keyFor(defaultAlgorithm) }

// PublicPEM returns the public half of Key as PEM, for verification without a
// network.
func (iss *Issuer) PublicPEM() []byte { return iss.Key().PublicPEM() }

// Keys returns the published keys, the newest last.
func (iss *Issuer) Keys() []*Key {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	return slices.Clone(iss.keys)
}

// Publish adds a key to those published. From now on it is the one for its
// algorithm. Nothing keeps two keys from having the same ID.
func (iss *Issuer) Publish(key *Key) {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	iss.keys = append(iss.keys, key)
}

// RotateKey publishes a new key for RS256 and returns it. New tokens are signed
// with it; the old key stays published, so that older tokens still verify.
func (iss *Issuer) RotateKey() *Key {
	iss.Key() // without an old key there is nothing to rotate
	key := NewKey(defaultAlgorithm)
	iss.Publish(key)
	return key
}

// RemoveKey publishes the key with this ID no longer, and reports whether it was
// published until now. Tokens are signed with the newest key that remains, or
// with a new one where none does.
func (iss *Issuer) RemoveKey(id string) bool {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	before := len(iss.keys)
	iss.keys = slices.DeleteFunc(iss.keys, func(key *Key) bool { return key.ID() == id })
	return len(iss.keys) < before
}

// keyFor returns the newest published key for the algorithm. The lock is held
// while one is made, so that callers who come at once share it.
func (iss *Issuer) keyFor(algorithm string) *Key {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	for _, key := range slices.Backward(iss.keys) {
		if key.Algorithm() == algorithm {
			return key
		}
	}
	key := NewKey(algorithm)
	iss.keys = append(iss.keys, key)
	return key
}
