package ledger

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
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

// silentStore does not answer who reads.
type silentStore struct{ store.Store }

func (silentStore) Readers(ctx context.Context) ([]store.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestNobodyWaitsForLongUntilAStoreThatIsSilentCounts(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	l.store = silentStore{db}
	synctest.Test(t, func(t *testing.T) {
		l.readers.counting = make(chan struct{}, 1)
		began := time.Now()
		for range 5 {
			go l.Propagation(t.Context())
		}
		l.Propagation(t.Context())
		synctest.Wait()
		if waited := time.Since(began); waited != propagationTimeout {
			t.Errorf("those who revoke have waited %v; want %v, however many there are", waited, propagationTimeout)
		}
	})
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

// Servers whose clocks differ count each other's readers by the clock of the database.
func TestServersWithDifferentClocksCountAllReaders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	servers := make(map[string]*Ledger)
	for name, ahead := range map[string]time.Duration{"right": 0, "ahead": time.Hour, "behind": -time.Hour} {
		db := openStore(t, dir)
		t.Cleanup(func() { _ = db.Close() })
		config := someConfig()
		config.Now = func() time.Time { return time.Now().Add(ahead) }
		l := newLedger(clockedStore{db, time.Now}, config)
		servers[name] = l
		l.prune(t.Context()) // which reads the clock of the database
		l.Confirm("billing", name, Place{Sequence: 1})
	}
	for name, l := range servers {
		now := l.readersNow()
		l.readers.mu.Lock()
		all := l.readers.list(now)
		l.readers.mu.Unlock()
		if err := l.saveReaders(t.Context(), all, now.Add(-forgetReaders)); err != nil {
			t.Fatal(name, err)
		}
	}
	for name, l := range servers {
		if _, total := l.Propagation(t.Context()); total != 6 {
			t.Errorf("the server whose clock is %s counts %d readers; want all 6", name, total)
		}
	}
}
