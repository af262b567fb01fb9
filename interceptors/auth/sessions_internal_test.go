package auth

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

func renewableLease(session string, issued int64) *Lease {
	id := identityOf(session, issued)
	l := &Lease{renewable: true, admitted: admitted{identity: id}}
	l.current.Store(id)
	return l
}

func identityOf(session string, issued int64) *Identity {
	return &Identity{Issuer: "https://issuer.test", Subject: "ada", Kind: KindSession, SessionID: session, IssuedAt: time.Unix(issued, 0)}
}

func TestSessionsKnowTheirStreamsAndNoOthers(t *testing.T) {
	t.Parallel()
	s := sessions{seed: maphash.MakeSeed()}
	random := rand.New(rand.NewPCG(1, 2))
	open := make(map[string][]*Lease)
	for i := range 5000 {
		name := strconv.Itoa(random.IntN(10))
		if mine := open[name]; len(mine) > 0 && random.IntN(2) == 0 {
			at := random.IntN(len(mine))
			s.remove(mine[at])
			open[name] = slices.Delete(mine, at, at+1)
			continue
		}
		l := renewableLease(name, int64(i))
		s.add(l)
		open[name] = append(open[name], l)
	}
	for name, mine := range open {
		streams := s.renewed(identityOf(name, 10_000))
		if len(streams) != len(mine) {
			t.Errorf("session %s has %d streams; want %d", name, len(streams), len(mine))
		}
		for _, l := range mine {
			if !slices.Contains(streams, l) {
				t.Errorf("session %s lacks one of its streams", name)
			}
			s.remove(l)
		}
	}
	if len(s.by) != 0 || s.n.Load() != 0 {
		t.Errorf("%d sessions and %d streams are left", len(s.by), s.n.Load())
	}
}

func TestSessionsOfOneHashAreToldApart(t *testing.T) {
	t.Parallel()
	s := sessions{seed: maphash.MakeSeed()}
	mine := renewableLease("mine", 1)
	s.add(mine)
	newest := identityOf("other", 3)
	s.by[s.hash(sessionKeyOf(newest))] = s.by[s.hash(sessionKeyOf(mine.admitted.identity))]
	if streams := s.renewed(newest); len(streams) != 0 {
		t.Errorf("a token renews %d streams of another session", len(streams))
	}
	other := renewableLease("other", 2)
	s.by[s.hash(sessionKeyOf(newest))] = session{first: mine, newest: identityOf("mine", 9)}
	if renewal := s.add(other); renewal != nil {
		t.Error("a stream is renewed by a token of another session")
	}
}

func TestAStreamThatIsLateIsRenewedByWhatHasCome(t *testing.T) {
	t.Parallel()
	s := sessions{seed: maphash.MakeSeed()}
	s.add(renewableLease("mine", 1))
	newest := identityOf("mine", 3)
	s.renewed(newest)
	if renewal := s.add(renewableLease("mine", 2)); renewal != newest {
		t.Errorf("a stream with an older token is renewed by %v; want the newest that has come", renewal)
	}
	if renewal := s.add(renewableLease("mine", 4)); renewal != nil {
		t.Errorf("a stream with a newer token is renewed by %v; want none", renewal)
	}
	if streams := s.renewed(identityOf("mine", 3)); streams != nil {
		t.Errorf("a token that is not the newest renews %d streams", len(streams))
	}
}

func TestAStreamThatHasLeftHoldsNoOther(t *testing.T) {
	t.Parallel()
	s := sessions{seed: maphash.MakeSeed()}
	first, second, third := renewableLease("mine", 1), renewableLease("mine", 1), renewableLease("mine", 1)
	for _, l := range []*Lease{first, second, third} {
		s.add(l)
	}
	s.remove(second)
	if second.next != nil || second.prev != nil {
		t.Error("a stream that has left holds its neighbours, and they theirs")
	}
	if streams := s.renewed(identityOf("mine", 2)); len(streams) != 2 {
		t.Errorf("%d streams are left; want 2", len(streams))
	}
}
