package lease

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A tenant is a holder that notes what it is called for.
type tenant struct {
	registry  *Registry[string, int]
	entry     Entry[string, int]
	deadline  atomic.Int64
	expired   chan Instant
	failed    chan any
	rechecked atomic.Int32
}

func (t *tenant) Deadline() Instant { return Instant(t.deadline.Load()) }
func (t *tenant) Recheck()          { t.rechecked.Add(1) }

func (t *tenant) Expire(now Instant) {
	t.registry.Leave(&t.entry, "")
	t.expired <- now
}

func (t *tenant) Fail(panicked any) {
	t.registry.Leave(&t.entry, "")
	t.failed <- panicked
}

func newRegistry() *Registry[string, int] {
	return &Registry[string, int]{Now: time.Now, Newer: later}
}

func join(r *Registry[string, int], lives time.Duration) *tenant {
	t := &tenant{registry: r, expired: make(chan Instant, 1), failed: make(chan any, 1)}
	t.putOff(lives)
	r.Join(&t.entry, t)
	return t
}

func (t *tenant) putOff(lives time.Duration) { t.deadline.Store(int64(At(time.Now().Add(lives)))) }

func TestEachLeaseExpiresAtItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		opened := time.Now()
		lifetimes := []time.Duration{40 * time.Second, 10 * time.Minute, 20 * time.Second, 61 * time.Second, 30 * time.Second, 20 * time.Second}
		tenants := make([]*tenant, len(lifetimes))
		for i, lifetime := range lifetimes {
			tenants[i] = join(r, lifetime)
		}
		tenants[4].putOff(5 * time.Minute)
		lifetimes[4] = 5 * time.Minute
		left := join(r, 15*time.Second)
		r.Leave(&left.entry, "")
		for i, tenant := range tenants {
			go func() {
				now := <-tenant.expired
				if lived := time.Since(opened); lived != lifetimes[i] || now != At(time.Now()) {
					t.Errorf("lease %d lived for %v; want %v", i, lived, lifetimes[i])
				}
			}()
		}
		pass(time.Hour)
		synctest.Wait()
		if !r.Idle() || len(left.expired) != 0 {
			t.Errorf("idle %t, and %d leases expired that had left", r.Idle(), len(left.expired))
		}
	})
}

func TestALeaseWhoseDeadlineIsNeverDoesNotExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		tenant := join(r, 0)
		<-tenant.expired
		tenant.deadline.Store(int64(Never))
		r.Join(&tenant.entry, tenant)
		pass(1000 * time.Hour)
		if synctest.Wait(); len(tenant.expired) != 0 {
			t.Error("it has expired")
		}
		r.Leave(&tenant.entry, "")
	})
}

func TestLeasesAreRecheckedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		long := join(r, time.Hour)
		for i := range 10 { // the timer fires more often than that
			join(r, time.Duration(i+1)*7*time.Second)
		}
		pass(10*time.Minute + time.Second)
		synctest.Wait()
		if n := long.rechecked.Load(); n < 9 || n > 12 {
			t.Errorf("rechecked %d times in ten minutes", n)
		}
		r.Leave(&long.entry, "")
	})
}

func TestRecheckAsksEveryHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		first, second, left := join(r, time.Hour), join(r, time.Hour), join(r, time.Hour)
		r.Leave(&left.entry, "")
		r.Recheck()
		synctest.Wait()
		if first.rechecked.Load() != 1 || second.rechecked.Load() != 1 || left.rechecked.Load() != 0 {
			t.Errorf("rechecked %d, %d and %d times; want 1, 1, 0", first.rechecked.Load(), second.rechecked.Load(), left.rechecked.Load())
		}
		r.Leave(&first.entry, "")
		r.Leave(&second.entry, "")
	})
}

func TestAClockThatIsSetIsNoticedWithinAMinute(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"ahead": 2 * time.Hour, "back": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var set atomic.Int64
				r := newRegistry()
				r.Now = func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
				opened := time.Now()
				tenant := join(r, time.Hour)
				set.Store(int64(ahead))
				want := time.Hour - ahead
				if ahead > time.Hour {
					want = time.Minute
				}
				<-tenant.expired
				if lived := time.Since(opened); lived != want {
					t.Errorf("it lived for %v; want %v", lived, want)
				}
			})
		})
	}
}

func TestAPanicOfTheClockFailsEveryLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		var broken atomic.Bool
		r.Now = func() time.Time {
			if broken.Load() {
				panic("boom")
			}
			return time.Now()
		}
		first, second := join(r, time.Hour), join(r, 2*time.Hour)
		broken.Store(true)
		third := join(r, time.Minute) // which reads the clock
		opened := time.Now()
		for _, tenant := range []*tenant{first, second, third} {
			if p := <-tenant.failed; p != "boom" {
				t.Errorf("failed with %v; want the panic", p)
			}
		}
		if later := time.Since(opened); later != 0 {
			t.Errorf("they failed after %v; want at once", later)
		}
		if !r.Idle() {
			t.Error("something is left")
		}
	})
}

func TestARenewalIsForItsSessionAndNewerThanAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		if r.HasSessions() || r.Renew("mine", 1) != nil {
			t.Error("there are sessions before there is one")
		}
		mine, other := new(tenant), new(tenant)
		mine.deadline.Store(int64(Never))
		other.deadline.Store(int64(Never))
		if _, found := r.JoinSession(&mine.entry, mine, "mine", 2); found {
			t.Error("something newer has come than the first")
		}
		_, _ = r.JoinSession(&other.entry, other, "other", 1)
		for value, want := range map[int]int{1: 0, 2: 0} {
			if got := r.Renew("mine", value); len(got) != want {
				t.Errorf("%d renews %d leases; want %d", value, len(got), want)
			}
		}
		if got := r.Renew("nobody's", 9); len(got) != 0 {
			t.Errorf("a session without leases renews %d", len(got))
		}
		if r.IsNews("nobody's", 9) || r.IsNews("mine", 2) || r.IsNews("other", 1) || !r.IsNews("mine", 3) {
			t.Error("news is what is newer than a session's leases know, and that alone")
		}
		if got := r.Renew("mine", 3); len(got) != 1 || got[0] != Holder(mine) {
			t.Errorf("a newer value renews %v; want the one lease", got)
		}
		late := new(tenant)
		late.deadline.Store(int64(Never))
		if newest, found := r.JoinSession(&late.entry, late, "mine", 2); !found || newest != 3 {
			t.Errorf("one that is late learns of %d, %t; want 3", newest, found)
		}
		r.Leave(&late.entry, "mine")
		r.Leave(&mine.entry, "mine")
		if !r.HasSessions() {
			t.Error("the other session has gone")
		}
		r.Leave(&other.entry, "other")
		if r.HasSessions() || !r.Idle() {
			t.Error("something is left")
		}
	})
}

func TestAnInstantIsOfTheWallClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	if At(at) != Instant(at.UnixNano()) {
		t.Errorf("At = %d; want %d", At(at), at.UnixNano())
	}
	for year, want := range map[int]bool{2200: false, 2201: true, 9999: true} {
		if got := At(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)) == Never; got != want {
			t.Errorf("the year %d is never: %t; want %t", year, got, want)
		}
	}
}
