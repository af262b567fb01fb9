package token

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
)

// digest names a token in the cache: the SHA-256 of the whole of it, so that no
// bearer token is kept and no two tokens share a verdict.
type digest = [sha256.Size]byte

// hashOf returns what a token is called in records.
func hashOf(d *digest) string { return hex.EncodeToString(d[:8]) }

// A verdict is what a verified token was found to be: everything that does not
// change while its key lives. What does change, time above all, is judged anew
// on every hit.
type verdict struct {
	digest   digest
	identity *auth.Identity
	issuer   *Issuer
	key      *jwks.Key
	size     int64 // what it costs in memory
}

// recall judges what time has changed since.
func (v *verdict) recall(now time.Time) (*auth.Identity, error) {
	if err := v.issuer.checkTimes(v.identity, now); err != nil {
		return nil, auth.AsVerified(err, v.identity.VerifiedToken())
	}
	return v.identity, nil
}

// sizeOf returns what an identity costs in memory with its verdict, rather too
// much than too little.
func sizeOf(id *auth.Identity) int64 {
	const word, list = int64(unsafe.Sizeof("")), int64(unsafe.Sizeof([]string{}))
	size := int64(unsafe.Sizeof(verdict{})+unsafe.Sizeof(provider.Record{})) + int64(len(id.RawClaims)+len(id.TokenHash))
	if strings.Contains(id.RawClaims, `\`) {
		size += int64(len(id.RawClaims)) // strings with escapes are copies
	}
	if id.Actor != nil {
		size += int64(unsafe.Sizeof(*id.Actor))
	}
	for _, values := range [][]string{id.Audience, id.Roles, id.Permissions, id.Scopes, id.Features, id.Plans, id.AMR} {
		size += list + int64(cap(values))*word
	}
	for _, permission := range id.Permissions {
		size += int64(len(permission)) // of a text of their own
	}
	return size
}

// cache remembers verdicts. It is a table of small sets, each slot a pointer of
// its own: readers load pointers, writers swap them, and nobody ever waits. A
// verdict has ways places where it can be; when all are taken, the one that
// expires first makes room, which loses least.
//
// It is bounded twice: by its slots, and by the bytes that its verdicts hold.
type cache struct {
	sets     []set
	bytes    atomic.Int64
	maxBytes int64
	hand     atomic.Uint64 // the set to take from next when there are too many bytes
}

// CacheStatus is what the cache of verified tokens did and holds.
type CacheStatus struct {
	// Hits are the calls whose token had been verified before, since the Verifier was made,
	// and Misses the others, with tokens that were refused among them.
	Hits, Misses int64
	// Entries are the tokens that are kept, also where they have expired and nothing needed
	// their place, and Bytes what they take.
	Entries int
	Bytes   int64
}

func (c *cache) status() CacheStatus {
	var status CacheStatus
	if c == nil {
		return status
	}
	for i := range c.sets {
		s := &c.sets[i]
		status.Hits += s.hits.Load()
		status.Misses += s.misses.Load()
		for slot := range s.verdicts {
			if s.verdicts[slot].Load() != nil {
				status.Entries++
			}
		}
	}
	status.Bytes = c.bytes.Load()
	return status
}

const ways = 8

// set holds the verdicts of the digests that map to it. A tag is a part of a digest.
// A lookup follows a pointer only if the tag matches. Tag and pointer are not changed
// together; the full digest decides. Each set counts for itself, so that cores do not wait
// for each other.
type set struct {
	tags         [ways]atomic.Uint64
	verdicts     [ways]atomic.Pointer[verdict]
	hits, misses atomic.Int64
}

// newCache returns a cache of at most about entries verdicts; nil, which is a
// cache that keeps nothing, when there is no room for any.
func newCache(entries int, maxBytes int64) *cache {
	if entries <= 0 || maxBytes <= 0 {
		return nil
	}
	return &cache{sets: make([]set, (entries+ways-1)/ways), maxBytes: maxBytes}
}

func (c *cache) at(d *digest) (*set, uint64) {
	index := binary.LittleEndian.Uint64(d[:8]) % uint64(len(c.sets))
	return &c.sets[index], binary.LittleEndian.Uint64(d[8:16])
}

// get returns the verdict on the token, nil when there is none. A verdict whose
// key has left its key set is gone.
func (c *cache) get(d *digest) *verdict {
	if c == nil {
		return nil
	}
	s, tag := c.at(d)
	for i := range ways {
		if s.tags[i].Load() != tag {
			continue
		}
		v := s.verdicts[i].Load()
		if v == nil || v.digest != *d {
			continue
		}
		if !v.key.Live() {
			c.drop(s, i, v)
			return nil
		}
		return v
	}
	return nil
}

// count counts a look-up.
func (c *cache) count(d *digest, hit bool) {
	if s, _ := c.at(d); hit {
		s.hits.Add(1)
	} else {
		s.misses.Add(1)
	}
}

// put remembers a verdict.
func (c *cache) put(reached verdict, now time.Time) {
	if c == nil {
		return
	}
	v := &verdict{}
	*v = reached
	v.size = sizeOf(v.identity)
	if v.size > c.maxBytes {
		return
	}
	s, tag := c.at(&v.digest)
	slot, previous := s.victim(v, now)
	if !s.verdicts[slot].CompareAndSwap(previous, v) {
		return // somebody else was quicker; the token will be verified once more
	}
	s.tags[slot].Store(tag)
	grown := v.size
	if previous != nil {
		grown -= previous.size
	}
	c.bytes.Add(grown)
	for range len(c.sets) {
		if c.bytes.Load() <= c.maxBytes {
			return
		}
		c.evict()
	}
}

// victim chooses the slot for v: the one that holds the same token, one that
// holds nothing of worth, or the one whose verdict expires first.
func (s *set) victim(v *verdict, now time.Time) (int, *verdict) {
	slot, victim, worthless := 0, s.verdicts[0].Load(), false
	for i := range ways {
		held := s.verdicts[i].Load()
		switch {
		case held != nil && held.digest == v.digest:
			return i, held
		case worthless:
		case held == nil || !held.identity.ExpiresAt.After(now) || !held.key.Live():
			slot, victim, worthless = i, held, true
		case held.identity.ExpiresAt.Before(victim.identity.ExpiresAt):
			slot, victim = i, held
		}
	}
	return slot, victim
}

// evict empties the next set in turn.
func (c *cache) evict() {
	s := &c.sets[c.hand.Add(1)%uint64(len(c.sets))]
	for i := range ways {
		if v := s.verdicts[i].Load(); v != nil {
			c.drop(s, i, v)
		}
	}
}

func (c *cache) drop(s *set, slot int, v *verdict) {
	if s.verdicts[slot].CompareAndSwap(v, nil) {
		c.bytes.Add(-v.size)
	}
}
