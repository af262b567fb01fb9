package revocation

import (
	"hash/maphash"
	"strconv"
	"testing"
	"unique"
)

// Looking up an absent name reads memory only if the filter does not exclude it.
func TestTheFilterExcludesMostAbsentNames(t *testing.T) {
	t.Parallel()
	const names = 100_000
	seed := maphash.MakeSeed()
	in := scopeOf(seed, "https://issuer.test")
	table := newTable(seed, 0)
	for i := range names {
		if table.full() {
			table = table.renewed(0)
		}
		table.put(&entry{owner: unique.Make(in.owner), id: "sess_" + strconv.Itoa(i), expires: 1})
	}
	mistaken := 0
	for i := range names {
		hash := table.hash(in, "other_"+strconv.Itoa(i))
		if marks := marksOf(hash); table.word(hash).Load()&marks == marks {
			mistaken++
		}
		if table.find(in, "sess_"+strconv.Itoa(i)) == nil {
			t.Fatalf("name %d is not found", i)
		}
	}
	if mistaken > names/40 {
		t.Errorf("the marks are mistaken about %d of %d names; want one in forty at most", mistaken, names)
	}
}

// TestAnEntryOfAnotherNameIsNotFound has the slot that was free for a name filled
// with another name before it was read, as a writer may do meanwhile.
func TestAnEntryOfAnotherNameIsNotFound(t *testing.T) {
	t.Parallel()
	in := scopeOf(maphash.MakeSeed(), "https://issuer.test")
	table := newTable(maphash.MakeSeed(), 0)
	hash := table.hash(in, "sess_1")
	table.word(hash).Or(marksOf(hash))
	free := table.slot(hash, in.owner, "sess_1")
	for id, want := range map[string]bool{"sess_1": true, "sess_2": false} {
		free.entry.Store(&entry{owner: unique.Make(in.owner), id: id, expires: 1})
		if found := table.find(in, "sess_1") != nil; found != want {
			t.Errorf("an entry of %s is found: %t; want %t", id, found, want)
		}
	}
}
