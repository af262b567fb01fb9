package revocation

import (
	"hash/maphash"
	"math"
	"math/bits"
	"strings"
	"sync/atomic"
	"time"
	"unique"
)

// An entry is the revocation of one target. It is replaced and never changed. Times
// are in microseconds since 1970: fine enough for a fraction in iat, and wide enough
// for every year of a protobuf timestamp.
type entry struct {
	owner   unique.Handle[owner] // a list has many entries and few issuers
	id      string
	before  int64 // tokens issued before it are revoked
	expires int64
}

// An owner is the issuer, or the subject, that the ID of an entry belongs to.
type owner struct {
	issuer  string
	subject string // "" for entries that apply to every subject
}

func (e *entry) names(o owner, id string) bool { return e.id == id && e.owner.Value() == o }

// revocation returns the entry as it was added.
func (e *entry) revocation(kind TargetKind) Revocation {
	of := e.owner.Value()
	r := Revocation{Kind: kind, Issuer: of.issuer, ID: e.id, Subject: of.subject, Expires: time.UnixMicro(e.expires)}
	if e.before == math.MaxInt64 {
		r.AllTokens = true
	} else {
		r.Before = time.UnixMicro(e.before)
	}
	return r
}

// merge returns the entry that replaces both. The old one is nil or has the same
// name.
func merge(old *entry, e entry, now int64) *entry {
	if old == nil || old.expires <= now {
		e.id = strings.Clone(e.id) // a substring would keep the whole request in memory
		return &e
	}
	e.id = old.id
	e.before = max(e.before, old.before)
	e.expires = max(e.expires, old.expires)
	if e == *old {
		return old
	}
	return &e
}

// A table finds entries by name. It is a hash table with open addressing whose
// readers take no lock; there is one writer at a time. A nil table is empty.
//
// A slot gets its entry before its hash, and keeps the hash, so a reader that
// sees a hash finds an entry of that hash.
//
// Nearly every lookup finds nothing. The marks, a blocked Bloom filter, answer all
// but one or two in a hundred of these. They take one byte for each slot, so the
// marks of a million entries fit into a processor's cache, and the slots do not.
type table struct {
	seed  maphash.Seed
	marks []atomic.Uint64 // for each eight slots in turn, the marks of all that begin there
	slots []slot
	used  int // for the writer alone
}

type slot struct {
	hash  atomic.Uint64 // 0 is free
	entry atomic.Pointer[entry]
}

// newTable returns a table with room for about twice as many entries.
func newTable(seed maphash.Seed, entries int) *table {
	slots := max(2*slotsPerMark, 1<<bits.Len(uint(2*entries)))
	return &table{seed: seed, marks: make([]atomic.Uint64, slots/slotsPerMark), slots: make([]slot, slots)}
}

const slotsPerMark = 8

// word returns the word that holds the marks of the hash. The low bits of the hash
// choose it, as they choose the slot.
func (t *table) word(hash uint64) *atomic.Uint64 {
	return &t.marks[hash&uint64(len(t.slots)-1)/slotsPerMark] //nolint:gosec // there are some
}

// marksOf returns up to four bits, which the higher bits of the hash choose.
func marksOf(hash uint64) uint64 {
	return 1<<(hash>>36&63) | 1<<(hash>>42&63) | 1<<(hash>>48&63) | 1<<(hash>>54&63)
}

// A scope is an owner, whose part of a name's hash serves for all of its names.
type scope struct {
	owner owner
	hash  uint64
}

func scopeOf(seed maphash.Seed, issuer string) scope {
	return scope{owner{issuer: issuer}, bits.RotateLeft64(maphash.String(seed, issuer), 1)}
}

// of returns the scope of a subject at the issuer; the issuer's where it is "".
func (s scope) of(seed maphash.Seed, subject string) scope {
	if subject == "" {
		return s
	}
	return scope{owner{s.owner.issuer, subject}, bits.RotateLeft64(s.hash^maphash.String(seed, subject), 1)}
}

// hash is never 0.
func (t *table) hash(in scope, id string) uint64 {
	return (maphash.String(t.seed, id) ^ in.hash) | 1<<63
}

// find returns the entry of a name, or nil.
func (t *table) find(in scope, id string) *entry {
	if t == nil {
		return nil
	}
	hash := t.hash(in, id)
	if marks := marksOf(hash); t.word(hash).Load()&marks != marks {
		return nil
	}
	// A slot that was free when it was found may have been filled since, with
	// another name.
	e := t.slot(hash, in.owner, id).entry.Load()
	if e != nil && !e.names(in.owner, id) {
		return nil
	}
	return e
}

// slot returns where the name is, or else would be. One is always free.
func (t *table) slot(hash uint64, o owner, id string) *slot {
	mask := uint64(len(t.slots) - 1) //nolint:gosec // there are some
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		switch s.hash.Load() {
		case 0:
			return s
		case hash:
			if s.entry.Load().names(o, id) {
				return s
			}
		}
	}
}

// put stores an entry, and replaces the one with the same name.
func (t *table) put(e *entry) {
	o := e.owner.Value()
	in := scopeOf(t.seed, o.issuer).of(t.seed, o.subject)
	hash := t.hash(in, e.id)
	s := t.slot(hash, o, e.id)
	s.entry.Store(e)
	if s.hash.Load() == 0 {
		s.hash.Store(hash)
		t.word(hash).Or(marksOf(hash))
		t.used++
	}
}

// full reports whether one more entry would make the table slow.
func (t *table) full() bool { return 4*(t.used+1) > 3*len(t.slots) }

// renewed returns a new table with the entries that have not expired.
func (t *table) renewed(now int64) *table {
	live := 0
	for e := range t.entries {
		if e.expires > now {
			live++
		}
	}
	next := newTable(t.seed, live)
	for e := range t.entries {
		if e.expires > now {
			next.put(e)
		}
	}
	return next
}

func (t *table) entries(yield func(*entry) bool) {
	for i := range t.slots {
		if e := t.slots[i].entry.Load(); e != nil && !yield(e) {
			return
		}
	}
}
