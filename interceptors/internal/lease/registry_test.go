package lease

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// member is a lease of nothing.
type member struct{ visits atomic.Int32 }

func newRegistry() *Registry[string, *member, int] {
	return &Registry[string, *member, int]{Newer: func(a, b int) bool { return a > b }}
}

func TestARenewalIsForItsSessionAndNewerThanAll(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	if r.Renewable() || r.Renew("mine", 1) != nil {
		t.Error("there are sessions before there is one")
	}
	mine, other, none := new(member), new(member), new(member)
	for _, joined := range []struct {
		lease *member
		key   string
		value int
	}{{mine, "mine", 2}, {other, "other", 1}, {none, "", 0}} {
		if newer := r.Join(joined.lease, joined.key, joined.value); newer != 0 {
			t.Errorf("%d has come, which is newer than the first", newer)
		}
	}
	for _, old := range []int{1, 2} {
		if got := r.Renew("mine", old); len(got) > 0 {
			t.Errorf("%d renews %d leases; want none", old, len(got))
		}
	}
	for _, key := range []string{"nobody's", ""} {
		if got := r.Renew(key, 9); len(got) > 0 {
			t.Errorf("the session %q without leases renews %d", key, len(got))
		}
	}
	if r.IsNews("nobody's", 9) || r.IsNews("mine", 2) || r.IsNews("other", 1) || !r.IsNews("mine", 3) {
		t.Error("news is what is newer than a session's leases know, and that alone")
	}
	if got := r.Renew("mine", 3); !slices.Equal(got, []*member{mine}) {
		t.Errorf("a newer value renews %v; want the one lease", got)
	}
	late := new(member)
	if newer := r.Join(late, "mine", 2); newer != 3 {
		t.Errorf("one that is late learns of %d; want 3", newer)
	}
	r.Leave(late, "mine")
	r.Leave(mine, "mine")
	r.Leave(none, "")
	if !r.Renewable() || r.Len() != 1 {
		t.Error("the other session has gone")
	}
	r.Leave(other, "other")
	if r.Renewable() || r.Len() > 0 || len(r.sessions) > 0 {
		t.Error("something is left")
	}
}

func TestEachSessionHasItsOwnLeases(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	random := rand.New(rand.NewPCG(1, 2))
	mine := make(map[string][]*member)
	for i := range 5000 {
		key := strconv.Itoa(random.IntN(10))
		if of := mine[key]; len(of) > 0 && random.IntN(2) == 0 {
			at := random.IntN(len(of))
			r.Leave(of[at], key)
			mine[key] = slices.Delete(of, at, at+1)
			continue
		}
		m := new(member)
		r.Join(m, key, i)
		mine[key] = append(mine[key], m)
	}
	for key, of := range mine {
		renewed := r.Renew(key, 10_000)
		if len(renewed) != len(of) {
			t.Errorf("session %s has %d leases; want %d", key, len(renewed), len(of))
		}
		for _, m := range of {
			if !slices.Contains(renewed, m) {
				t.Errorf("session %s lacks one of its leases", key)
			}
			r.Leave(m, key)
		}
	}
	if len(r.sessions) > 0 || r.Len() > 0 || r.Renewable() {
		t.Errorf("%d sessions and %d leases are left", len(r.sessions), r.Len())
	}
}

func TestASweepVisitsEveryOpenLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		first, second, left := new(member), new(member), new(member)
		for _, m := range []*member{first, second, left} {
			r.Join(m, "", 0)
		}
		r.Leave(left, "")
		r.Visit = func(m *member) { m.visits.Add(1) }
		r.Sweep()
		synctest.Wait()
		if first.visits.Load() != 1 || second.visits.Load() != 1 || left.visits.Load() != 0 {
			t.Errorf("visited %d, %d and %d times; want 1, 1, 0", first.visits.Load(), second.visits.Load(), left.visits.Load())
		}
	})
}

func TestSweepsRequestedDuringASweepRunOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		m, goOn := new(member), make(chan struct{})
		r.Join(m, "", 0)
		r.Visit = func(m *member) {
			m.visits.Add(1)
			<-goOn
		}
		for range 5 {
			r.Sweep()
			synctest.Wait()
		}
		if n := m.visits.Load(); n != 1 {
			t.Errorf("%d sweeps are under way; want 1", n)
		}
		close(goOn)
		synctest.Wait()
		if n := m.visits.Load(); n != 2 {
			t.Errorf("%d sweeps; want 2", n)
		}
		r.Sweep()
		synctest.Wait()
		if n := m.visits.Load(); n != 3 {
			t.Errorf("%d sweeps after a further one; want 3", n)
		}
	})
}

func TestLeasesAreClosedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	const leases = 20_000
	var closed, woken atomic.Int64
	var waiting int64 // at most, of those that were woken
	woke := make(chan struct{}, leases)
	r.Close = func(*member) bool {
		waiting = max(waiting, closed.Add(1)-woken.Load())
		go func() { // as one that waited for the lease
			woken.Add(1)
			woke <- struct{}{}
		}()
		return true
	}
	for range leases {
		r.End(new(member))
	}
	for range leases {
		<-woke
	}
	if waiting > leases/20 {
		t.Errorf("%d were ready to run at once; want that each has its turn", waiting)
	}
}

func TestLeasesAreClosedSoonHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where only the pauses take time
		r := newRegistry()
		last, began := make(chan struct{}), time.Now()
		const leases = 300_000
		closed := 0
		r.Close = func(*member) bool {
			if closed++; closed == 2*leases {
				close(last)
			}
			return closed%2 == 0 // the others were closed before, and get no pause
		}
		all := make([]member, 2*leases)
		for i := range all {
			r.End(&all[i])
		}
		<-last
		if took := time.Since(began); took < time.Second || took > 3*time.Second {
			t.Errorf("%v; want some two seconds", took)
		}
	})
}
