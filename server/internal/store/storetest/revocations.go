package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// revoke revokes sessions for a day.
func revoke(t *testing.T, s store.Store, ids ...string) []store.Revocation {
	t.Helper()
	var batch []store.Revocation
	for _, id := range ids {
		batch = append(batch, store.Revocation{
			Target: store.Target{Kind: "session", Issuer: ada.Issuer, Value: id}, CreatedAt: at(0), ExpiresAt: at(24 * time.Hour),
		})
	}
	return must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), batch, nil))
}

// revocations returns all of them.
func revocations(t *testing.T, s store.Store) []store.Revocation {
	t.Helper()
	return must[[]store.Revocation](t)(s.Revocations(t.Context(), store.RevocationListing{}, 10_000))
}

func revocationComesBack(t *testing.T, database Database) {
	s := open(t, database)
	given := []store.Revocation{
		{
			Target: store.Target{Kind: "subject", Issuer: ada.Issuer, Value: "user_ada"}, IssuedBefore: at(time.Hour), ExpiresAt: at(25 * time.Hour),
			CreatedAt: at(time.Hour), Origin: store.Origin{Kind: store.OriginImport, Caller: store.Caller{
				Issuer: ben.Issuer, Subject: "user_ben", ClientID: "client_1", SessionID: "sess_2", Actor: ada.Token.Actor,
			}},
			Cause: "the phone was lost; 'déjà vu' -- 🚪",
		},
		{
			Target: store.Target{Kind: "session", Issuer: stranger.Issuer, Value: "sess_1", Subject: "user_ada"}, ExpiresAt: at(time.Hour),
			Origin: store.Origin{Kind: store.OriginSignal, Signal: store.Signal{Source: "clerk", Issuer: stranger.Issuer, Type: "session.ended", MessageID: "msg_1"}},
		},
		{Target: store.Target{Kind: "organization", Issuer: stranger.Issuer, Value: "org_acme"}, ExpiresAt: at(time.Hour)},
		{Target: store.Target{Kind: "member", Issuer: stranger.Issuer, Value: "org_acme", Subject: "user_ada"}, ExpiresAt: at(time.Hour)},
		{Target: store.Target{Kind: "issuer", Issuer: stranger.Issuer}, ExpiresAt: at(time.Hour)},
	}
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), given, nil))
	equal(t, "the revocations", revocations(t, s), saved)
	for i := range saved {
		if given[i].Sequence != 0 || saved[i].Sequence <= 0 {
			t.Errorf("sequence %d became %d; want it only in what is returned", given[i].Sequence, saved[i].Sequence)
		}
		if given[i].ID != [16]byte{} || saved[i].ID == [16]byte{} || saved[i].ID == saved[(i+1)%len(saved)].ID {
			t.Errorf("id %x became %x; want a random one in what is returned", given[i].ID, saved[i].ID)
		}
	}
	for i := range saved {
		saved[i].Sequence, saved[i].ID = 0, [16]byte{}
	}
	equal(t, "what was made of those given", saved, given)
}

func revocationsInPages(t *testing.T, database Database) {
	s := open(t, database)
	var want []store.Revocation
	for i := range 5 {
		want = append(want, revoke(t, s, fmt.Sprint(i), fmt.Sprint(i, "again"))...)
	}
	for _, limit := range []int{1, 3, 10, 11} {
		var got []store.Revocation
		for after := (store.Revocation{}); ; after = got[len(got)-1] {
			page := must[[]store.Revocation](t)(s.Revocations(t.Context(), store.RevocationListing{After: after}, limit))
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		equal(t, fmt.Sprintf("pages of %d", limit), got, want)
		var changes []store.Revocation
		for after := (store.Revocation{}); len(changes) < len(want); after = changes[len(changes)-1] {
			changes = append(changes, must[[]store.Revocation](t)(s.Changes(t.Context(), after, limit))...)
		}
		for i := range want {
			full := want[i]
			full.Origin, full.Cause = store.Origin{}, ""
			equal(t, fmt.Sprintf("change %d in pages of %d", i, limit), changes[i], full)
		}
	}
}

func strongest(t *testing.T, database Database) {
	s := open(t, database)
	target := func(kind, issuer, value, subject string) store.Target {
		return store.Target{Kind: kind, Issuer: issuer, Value: value, Subject: subject}
	}
	one, hers := target("session", ada.Issuer, "sess_1", ""), target("session", ada.Issuer, "sess_1", "user_ada")
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		0:  {Target: one, ExpiresAt: at(2 * time.Hour)},
		1:  {Target: one, ExpiresAt: at(time.Hour)},
		2:  {Target: one, ExpiresAt: at(5 * time.Hour), IssuedBefore: at(0)},
		3:  {Target: hers, ExpiresAt: at(7 * time.Hour), IssuedBefore: at(0)},
		4:  {Target: hers, ExpiresAt: at(7 * time.Hour), IssuedBefore: at(time.Second)},
		5:  {Target: hers, ExpiresAt: at(8 * time.Hour), IssuedBefore: at(-time.Second)},
		6:  {Target: target("client", ada.Issuer, "sess_1", ""), ExpiresAt: at(4 * time.Hour)},
		7:  {Target: target("session", stranger.Issuer, "sess_1", ""), ExpiresAt: at(6 * time.Hour)},
		8:  {Target: target("issuer", ada.Issuer, "", ""), ExpiresAt: at(time.Hour), IssuedBefore: at(0)},
		9:  {Target: target("member", ada.Issuer, "org_acme", "user_ada"), ExpiresAt: at(time.Hour), IssuedBefore: at(0)},
		10: {Target: target("organization", ada.Issuer, "org_acme", ""), ExpiresAt: at(time.Hour), IssuedBefore: at(0)},
	}, nil))
	never := []store.Target{
		target("session", ada.Issuer, "SESS_1", ""), target("session", ada.Issuer, "", ""),
		target("subject", ada.Issuer, "sess_1", ""), target("session", ada.Issuer, "sess_1", "user_ben"),
		target("member", ada.Issuer, "org_acme", "user_ben"), target("member", ada.Issuer, "org_acme", ""), target("organization", ada.Issuer, "org_acme", "user_ada"),
	}
	for name, test := range map[string]struct {
		targets []store.Target
		now     time.Time
		want    []int
	}{
		"none":                          {nil, at(0), nil},
		"those that are not revoked":    {never, at(0), nil},
		"one, before others":            {[]store.Target{one}, at(0), []int{0}},
		"one, when that has expired":    {[]store.Target{one}, at(2 * time.Hour), []int{2}},
		"one, when all have expired":    {[]store.Target{one}, at(5 * time.Hour), nil},
		"one that names its subject":    {[]store.Target{hers}, at(0), []int{4}},
		"an organization":               {[]store.Target{saved[10].Target}, at(0), []int{10}},
		"a member":                      {[]store.Target{saved[9].Target}, at(0), []int{9}},
		"several, twice, between other": {append(never, saved[8].Target, one, hers, saved[7].Target, one), at(0), []int{0, 4, 7, 8}},
	} {
		var want []store.Revocation
		for _, i := range test.want {
			want = append(want, saved[i])
		}
		got := must[[]store.Revocation](t)(s.Strongest(t.Context(), test.targets, test.now))
		slices.SortFunc(got, func(a, b store.Revocation) int { return int(a.Sequence - b.Sequence) })
		equal(t, name, got, want)
	}
	many := make([]store.Target, 20_000)
	for i := range many {
		many[i] = target("session", ada.Issuer, fmt.Sprint(i), "")
	}
	many[len(many)-1] = one
	equal(t, "one of many", must[[]store.Revocation](t)(s.Strongest(t.Context(), many, at(0))), saved[:1])
}

func sequenceNeverGiven(t *testing.T, database Database) {
	s := open(t, database)
	wantNotGiven := func(what string, after int64, want bool) {
		t.Helper()
		last := store.Revocation{Sequence: after, CreatedAt: at(0)}
		_, revocations := s.Revocations(t.Context(), store.RevocationListing{After: last}, 10)
		_, changes := s.Changes(t.Context(), last, 10)
		for _, err := range []error{revocations, changes} {
			if errors.Is(err, store.ErrNotGiven) != want || !want && err != nil {
				t.Errorf("%s: after %d: %v; want ErrNotGiven: %t", what, after, err, want)
			}
		}
	}
	wantNotGiven("an empty database", 0, false)
	wantNotGiven("an empty database", 1, true)
	last := revoke(t, s, "sess_1", "sess_2")[1].Sequence
	wantNotGiven("two revocations", last, false)
	wantNotGiven("two revocations", last+1, true)
	for _, after := range []int64{last - 1, last} { // after a restore they are others
		other := store.Revocation{Sequence: after, CreatedAt: at(time.Microsecond)}
		if _, err := s.Revocations(t.Context(), store.RevocationListing{After: other}, 10); !errors.Is(err, store.ErrNotGiven) {
			t.Errorf("after %d of another time: %v; want ErrNotGiven", after, err)
		}
	}
	must[store.Pruned](t)(s.Prune(t.Context(), store.Age{ExpiredBy: at(48 * time.Hour)}, 100))
	wantNotGiven("one that was pruned", last-1, false)
	wantNotGiven("one that was pruned", last+1, true)
}

// What was pruned is known to have been given by what was given before it. After a restore
// the same numbers are given again, later.
func sequenceOfPruned(t *testing.T, database Database) {
	s := open(t, database)
	var saved []store.Revocation
	for i, expires := range []time.Duration{time.Minute, time.Hour, time.Minute, time.Minute, time.Hour} {
		saved = append(saved, must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{{
			Target: store.Target{Kind: "session"}, CreatedAt: at(time.Duration(i) * time.Second), ExpiresAt: at(expires),
		}}, nil))...)
	}
	must[store.Pruned](t)(s.Prune(t.Context(), store.Age{ExpiredBy: at(time.Minute)}, 100))
	equal(t, "what is left", revocations(t, s), []store.Revocation{saved[1], saved[4]})
	for what, test := range map[string]struct {
		row     int
		later   time.Duration // when it was made
		missing int           // how many come after it; -1 if it was not given
	}{
		"the first that was pruned":          {0, 0, 2},
		"one that was pruned":                {2, 0, 1},
		"another one that was pruned":        {3, 0, 1},
		"one that was made at the same time": {2, -time.Second, 1},
		"one before a restore":               {2, -time.Second - time.Microsecond, -1},
		"the last before a restore":          {3, -time.Hour, -1},
	} {
		after := store.Revocation{Sequence: saved[test.row].Sequence, CreatedAt: saved[test.row].CreatedAt.Add(test.later)}
		rows, err := s.Changes(t.Context(), after, 10)
		if notGiven := errors.Is(err, store.ErrNotGiven); notGiven != (test.missing < 0) || !notGiven && (err != nil || len(rows) != test.missing) {
			t.Errorf("after %s: %d rows, %v; want %d", what, len(rows), err, test.missing)
		}
	}
}

func sequenceIsNotReused(t *testing.T, database Database) {
	s := open(t, database)
	last := revoke(t, s, "sess_1", "sess_2")[1].Sequence
	must[store.Pruned](t)(s.Prune(t.Context(), store.Age{ExpiredBy: at(48 * time.Hour)}, 100))
	if next := revoke(t, s, "sess_3")[0].Sequence; next <= last {
		t.Errorf("sequence %d after %d, though that was given before", next, last)
	}
}

func concurrentRevocations(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	const writers, each = 8, 5
	var mu sync.Mutex
	var want []store.Revocation
	var wg sync.WaitGroup
	for w := range writers {
		s := []store.Store{one, other}[w%2]
		wg.Go(func() {
			for i := range each {
				saved, err := s.SaveRevocations(t.Context(), []store.Revocation{{
					Target: store.Target{Kind: "session", Issuer: ada.Issuer, Value: fmt.Sprint(w, i)}, ExpiresAt: at(time.Hour),
				}}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want = append(want, saved...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(want, func(a, b store.Revocation) int { return int(a.Sequence - b.Sequence) })
	equal(t, "the revocations", revocations(t, one), want)
}

// patience is how long the test waits for what must not happen.
const patience = 200 * time.Millisecond

// slowRevocation has a revocation take long, after it has got its sequence, while another
// one is made. If the other one were kept first, with a higher sequence, then who reads it
// would never read the slow one.
func slowRevocation(t *testing.T, database Database) {
	slow, quick, reader := open(t, database), open(t, database), open(t, database)
	var last store.Revocation
	var got []store.Revocation
	read := func() {
		page := must[[]store.Revocation](t)(reader.Revocations(t.Context(), store.RevocationListing{After: last}, 10))
		got = append(got, page...)
		if len(page) > 0 {
			last = page[len(page)-1]
		}
	}
	quickDone := make(chan struct{})
	answer := answerTo(call, "")
	answer.Encode = func([]store.Revocation) ([]byte, error) {
		go func() {
			defer close(quickDone)
			if _, err := quick.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session", Value: "quick"}, ExpiresAt: at(time.Hour)}}, nil); err != nil {
				t.Error(err)
			}
		}()
		select {
		case <-quickDone:
		case <-time.After(patience):
		}
		read()
		return []byte{}, nil
	}
	must[[]store.Revocation](t)(slow.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session", Value: "slow"}, ExpiresAt: at(time.Hour)}}, answer))
	<-quickDone
	read()
	equal(t, "what was read", got, revocations(t, reader))
	if len(got) != 2 {
		t.Errorf("%d revocations were read; want both", len(got))
	}
}

func prune(t *testing.T, database Database) {
	s := open(t, database)
	save(t, s, ada, ben, stranger) // last seen at an hour, a minute and 0
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		{Target: store.Target{Kind: "session", Value: "expired"}, ExpiresAt: at(time.Minute)},
		{Target: store.Target{Kind: "session", Value: "expires now"}, ExpiresAt: at(time.Hour)},
		{Target: store.Target{Kind: "session", Value: "valid"}, ExpiresAt: at(time.Hour + time.Microsecond)},
	}, nil))
	equal(t, "pruned", must[store.Pruned](t)(s.Prune(t.Context(), store.Age{SeenBefore: ben.LastSeen, ExpiredBy: at(time.Hour)}, 100)), store.Pruned{Sessions: []store.Session{stranger}, Revocations: 2})
	equal(t, "sessions", list(t, s, store.Everything()), []store.Session{ada, ben})
	equal(t, "revocations", revocations(t, s), saved[2:])
	equal(t, "pruned again", must[store.Pruned](t)(s.Prune(t.Context(), store.Age{SeenBefore: ben.LastSeen, ExpiredBy: at(time.Hour)}, 100)), store.Pruned{})
}

func pruneInBatches(t *testing.T, database Database) {
	s := open(t, database)
	save(t, s, ada, ben, stranger)
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		{Target: store.Target{Kind: "session", Value: "expires last"}, ExpiresAt: at(time.Hour)},
		{Target: store.Target{Kind: "session", Value: "expires first"}, ExpiresAt: at(time.Minute)},
		{Target: store.Target{Kind: "session", Value: "the last that was made"}, ExpiresAt: at(0)},
	}, nil))
	prune := func() store.Pruned {
		return must[store.Pruned](t)(s.Prune(t.Context(), store.Age{SeenBefore: at(24 * time.Hour), ExpiredBy: at(24 * time.Hour)}, 1))
	}
	equal(t, "pruned", prune(), store.Pruned{Sessions: []store.Session{stranger}, Revocations: 1})
	equal(t, "sessions", list(t, s, store.Everything()), []store.Session{ada, ben})
	equal(t, "revocations", revocations(t, s), []store.Revocation{saved[0], saved[2]})
	equal(t, "pruned then", prune(), store.Pruned{Sessions: []store.Session{ben}, Revocations: 1})
	equal(t, "pruned in the end", prune(), store.Pruned{Sessions: []store.Session{ada}})
	equal(t, "what stays", revocations(t, s), saved[2:])
}
