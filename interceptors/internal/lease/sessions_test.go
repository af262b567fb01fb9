package lease

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// member is a holder of nothing but its entry.
type member struct {
	Holder

	entry Entry[string, int]
}

func later(a, b int) bool { return a > b }

// open adds a lease of a session that begins with value.
func open(s *sessions[string, int], session string, value int) (m *member, newest int) {
	m = new(member)
	m.entry.holder = m
	newest = s.add(&m.entry, session, value)
	return m, newest
}

func TestSessionsKnowTheirLeasesAndNoOthers(t *testing.T) {
	t.Parallel()
	var s sessions[string, int]
	random := rand.New(rand.NewPCG(1, 2))
	mine := make(map[string][]*member)
	for i := range 5000 {
		name := strconv.Itoa(random.IntN(10))
		if of := mine[name]; len(of) > 0 && random.IntN(2) == 0 {
			at := random.IntN(len(of))
			s.remove(&of[at].entry, name)
			mine[name] = slices.Delete(of, at, at+1)
			continue
		}
		m, _ := open(&s, name, i)
		mine[name] = append(mine[name], m)
	}
	for name, of := range mine {
		holders := s.renew(name, 10_000, later)
		if len(holders) != len(of) {
			t.Errorf("session %s has %d leases; want %d", name, len(holders), len(of))
		}
		for _, m := range of {
			if !slices.Contains(holders, Holder(m)) {
				t.Errorf("session %s lacks one of its leases", name)
			}
			s.remove(&m.entry, name)
		}
	}
	if len(s.by) != 0 || s.leases.Load() != 0 {
		t.Errorf("%d sessions and %d leases are left", len(s.by), s.leases.Load())
	}
}

func TestALeaseThatIsLateLearnsOfWhatHasCome(t *testing.T) {
	t.Parallel()
	var s sessions[string, int]
	open(&s, "mine", 1)
	s.renew("mine", 3, later)
	if _, newest := open(&s, "mine", 2); newest != 3 {
		t.Errorf("the newest is %d; want 3", newest)
	}
	if _, newest := open(&s, "other", 1); newest != 1 {
		t.Errorf("the newest of another session is %d; want 1", newest)
	}
	if holders := s.renew("mine", 3, later); holders != nil {
		t.Errorf("what has come already renews %d leases", len(holders))
	}
}

func TestALeaseThatHasLeftHoldsNoOther(t *testing.T) {
	t.Parallel()
	var s sessions[string, int]
	open(&s, "mine", 1)
	second, _ := open(&s, "mine", 1)
	open(&s, "mine", 1)
	s.remove(&second.entry, "mine")
	if second.entry.next != nil || second.entry.prev != nil {
		t.Error("a lease that has left holds its neighbours, and they theirs")
	}
	s.remove(&second.entry, "mine") // which is no longer there
	if holders := s.renew("mine", 2, later); len(holders) != 2 {
		t.Errorf("%d leases are left; want 2", len(holders))
	}
}
