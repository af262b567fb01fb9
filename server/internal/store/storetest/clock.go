package storetest

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func clock(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	kept := func(s store.Store) store.Clock {
		t.Helper()
		clock := must[store.Clock](t)(s.Clock(t.Context()))
		if difference := time.Since(clock.Now).Abs(); !clock.Now.IsZero() && difference > time.Hour {
			t.Errorf("the time of day is %s; want none, or the present", clock.Now)
		}
		clock.Now = time.Time{}
		return clock
	}
	save := func(s store.Store, before, after store.Clock) {
		t.Helper()
		if err := s.SaveClock(t.Context(), before, after); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "at first", kept(one), store.Clock{})
	doubted := store.Clock{Doubted: time.Minute}
	save(one, store.Clock{}, doubted)
	equal(t, "after it was doubted", kept(other), doubted)
	believed := store.Clock{Believed: at(0)}
	save(other, doubted, believed)
	equal(t, "after it was believed", kept(one), believed)
	save(one, doubted, store.Clock{Believed: at(time.Hour)})
	equal(t, "after somebody who did not know", kept(one), believed)
	for _, s := range []store.Store{one, other} {
		if err := s.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	}
	equal(t, "after it was tried", kept(one), believed)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a restart", kept(open(t, database)), believed)
}
