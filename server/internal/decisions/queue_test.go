package decisions

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func added(q *queue, n int) {
	for range n {
		q.add(&entry{decision: auth.Decision{Procedure: "/a"}})
	}
}

// taken takes all, and returns the numbers of the first and the last, and how many it missed.
func taken(t *testing.T, r *reader) (first, last, missed uint64) {
	t.Helper()
	for {
		entries, lost, _ := r.take(100)
		missed += lost
		if len(entries) == 0 {
			return first, last, missed
		}
		for _, e := range entries {
			if last != 0 && e.number != last+1 {
				t.Fatalf("%d came after %d", e.number, last)
			}
			if last = e.number; first == 0 {
				first = last
			}
		}
	}
}

func TestAReaderThatIsBehindMissesTheOldest(t *testing.T) {
	t.Parallel()
	q := new(queue)
	const unread = 5 // that only the history has
	added(q, unread)
	if q.entries != nil {
		t.Errorf("%d entries are kept for nobody", len(q.entries))
	}
	quick, slow := q.read(), q.read()
	const more = 10
	for range maxEntries + more {
		added(q, 1)
		if entries, missed, _ := quick.take(1); len(entries) != 1 || missed != 0 {
			t.Fatalf("the quick reader has got %d, and missed %d", len(entries), missed)
		}
	}
	if first, last, missed := taken(t, slow); first != unread+more+1 || last != unread+more+maxEntries || missed != more {
		t.Errorf("the slow reader has got %d to %d, and missed %d", first, last, missed)
	}
	if q.entries != nil || q.bytes != 0 {
		t.Errorf("%d entries are kept that all have, of %d bytes", len(q.entries), q.bytes)
	}
	added(q, 3)
	slow.close()
	quick.close()
	if q.entries != nil {
		t.Errorf("%d entries are kept for nobody", len(q.entries))
	}
}

func TestLongTokensAreBoundedByTheirBytes(t *testing.T) {
	t.Parallel()
	q := new(queue)
	r := q.read()
	defer r.close()
	id := &auth.Identity{RawClaims: strings.Repeat("a", 1<<20)}
	for range 20 {
		q.add(&entry{decision: auth.Decision{Identity: id}})
	}
	if first, last, missed := taken(t, r); last-first+1+missed != 20 || missed < 4 || missed > 6 {
		t.Errorf("got %d to %d, missed %d", first, last, missed)
	}
}

func TestAReaderIsWokenByTheNext(t *testing.T) {
	t.Parallel()
	q := new(queue)
	r, other := q.read(), q.read()
	_, _, woken := r.take(1)
	_, _, also := other.take(1)
	added(q, 1)
	<-woken
	<-also
	if first, _, _ := taken(t, r); first != 1 {
		t.Errorf("got %d first", first)
	}
}
