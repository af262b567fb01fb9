package ledger

import (
	"fmt"
	"testing"
)

func TestFollowersThatCountAreBounded(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	for i := range maxReaders + 100 {
		l.Confirm("billing", fmt.Sprint(i), Place{Sequence: 1 << 40})
		l.Followed("billing", fmt.Sprint(i))()
	}
	if confirmed, total := l.Propagation(t.Context()); confirmed != maxReaders+1 || total != maxReaders+1 {
		t.Errorf("%d of %d; want %d", confirmed, total, maxReaders+1)
	}
}

func TestAStoreThatFailsDoesNotCount(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	db.fails = "Readers"
	log := logged(l)
	if confirmed, total := l.Propagation(t.Context()); confirmed != 0 || total != 0 || log.Len() == 0 {
		t.Errorf("%d of %d, log %q; want nothing counted, and why", confirmed, total, log)
	}
}

// What was confirmed of another database counts for nothing.
func TestWhatWasConfirmedOfAnotherDatabaseIsForgotten(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	l.Confirm("billing", "1", Place{Sequence: 1 << 40})
	l.readers.restart()
	if confirmed, total := l.Propagation(t.Context()); confirmed != 1 || total != 2 {
		t.Errorf("%d of %d; want 1 of 2", confirmed, total)
	}
}
