package storetest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Three sessions, of which the first was seen last.
var (
	ada = store.Session{
		Issuer: "https://one.example.com", ID: "sess_1", Subject: "user_ada", Organization: "org_acme",
		AuthorizedParty: "https://app.example.com", UserAgent: "Browser/1.0 (ünïcödé 🚪)", Address: "192.0.2.1",
		FirstSeen: at(2 * time.Minute), LastSeen: at(time.Hour),
		Token: store.Token{
			ID: "token_1", ClientID: "client_1", IssuedAt: at(time.Minute), ExpiresAt: at(2 * time.Hour),
			Actor: store.Actor{Issuer: "https://staff.example.com", Subject: "user_support", SessionID: "sess_9", Type: "agent"},
		},
	}
	ben = store.Session{
		Issuer: "https://one.example.com", ID: "sess_2", Subject: "user_ben", Organization: "org_acme",
		FirstSeen: at(time.Minute), LastSeen: at(time.Minute), Token: store.Token{ExpiresAt: at(time.Hour)},
	}
	stranger = store.Session{
		Issuer: "https://two.example.com", ID: "sess_1", Subject: "user_ada", Organization: "org_acme",
		FirstSeen: at(0), LastSeen: at(0), Token: store.Token{ExpiresAt: at(time.Hour)},
	}
)

func inOrganization(id string) *string { return &id }

func save(t *testing.T, s store.Store, sessions ...store.Session) {
	t.Helper()
	must[[]store.Session](t)(s.SaveSessions(t.Context(), sessions))
}

func list(t *testing.T, s store.Store, view store.View) []store.Session {
	t.Helper()
	return must[[]store.Session](t)(s.Sessions(t.Context(), store.List(view), 100))
}

// named returns the sessions with the names of the given one.
func named(t *testing.T, s store.Store, session store.Session) []store.Session {
	t.Helper()
	return list(t, s, store.View{{Issuer: session.Issuer, ID: session.ID, Subject: session.Subject}})
}

func sessionComesBack(t *testing.T, database Database) {
	s := open(t, database)
	given := ada
	given.FirstSeen, given.Token.IssuedAt = start.Add(2*time.Minute), start.Add(time.Minute)
	before := must[[]store.Session](t)(s.SaveSessions(t.Context(), []store.Session{given, ben, stranger}))
	equal(t, "what was known before", before, make([]store.Session, 3))
	for _, want := range []store.Session{ada, ben, stranger} {
		equal(t, "the session", named(t, s, want), []store.Session{want})
	}
}

func sessionOfAnotherSubject(t *testing.T, database Database) {
	s := open(t, database)
	save(t, s, ada)
	other := ada // whose tokens name the same session, later
	other.Subject, other.Organization = "user_mallory", ""
	other.FirstSeen, other.LastSeen, other.Token.IssuedAt, other.Token.ExpiresAt = at(3*time.Hour), at(3*time.Hour), at(3*time.Hour), at(4*time.Hour)
	before := must[[]store.Session](t)(s.SaveSessions(t.Context(), []store.Session{other}))
	equal(t, "what was kept before", before, make([]store.Session, 1))
	equal(t, "the session of the one", named(t, s, ada), []store.Session{ada})
	equal(t, "the session of the other", named(t, s, other), []store.Session{other})

	same := other // seen first at the same instant: the order is still a total one
	same.Subject = "user_nobody"
	save(t, s, same)
	elsewhere := ada
	elsewhere.Issuer = "https://zwei.example.com"
	if !elsewhere.Before(ada) || ada.Before(elsewhere) {
		t.Error("Session.Before does not agree on the issuers")
	}
	want := []store.Session{same, other, ada}
	for i := 1; i < len(want); i++ {
		if !want[i-1].Before(want[i]) || want[i].Before(want[i-1]) {
			t.Errorf("Session.Before does not agree on %s and %s", want[i-1].Subject, want[i].Subject)
		}
	}
	var got []store.Session
	for after := (store.Session{}); ; after = got[len(got)-1] {
		page := must[[]store.Session](t)(s.Sessions(t.Context(), store.List(store.View{{Issuer: ada.Issuer, ID: ada.ID}}).Behind(after), 1))
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	equal(t, "pages of one", got, want)
	equal(t, "pruned", must[store.Pruned](t)(s.Prune(t.Context(), store.Age{SeenBefore: at(3 * time.Hour)}, 10)), store.Pruned{Sessions: []store.Session{ada}})
	equal(t, "what is left", list(t, s, store.Everything()), want[:2])
}

func laterObservationCounts(t *testing.T, database Database) {
	later := ada
	later.Organization, later.UserAgent, later.Address = "", "Phone/2.0", "198.51.100.7"
	later.FirstSeen, later.LastSeen = at(3*time.Hour), at(3*time.Hour)
	later.Token.IssuedAt, later.Token.ExpiresAt = at(3*time.Hour), at(4*time.Hour)
	earlier := ben
	earlier.ID, earlier.Subject, earlier.FirstSeen, earlier.LastSeen = ada.ID, ada.Subject, at(time.Second), at(time.Second)
	stale := later // with a token that is older than others, and names another organization
	stale.Organization = "org_other"
	stale.LastSeen, stale.Token.IssuedAt, stale.Token.ExpiresAt = at(5*time.Hour), at(0), at(6*time.Hour)

	want := later
	want.FirstSeen, want.LastSeen = earlier.FirstSeen, stale.LastSeen
	s := open(t, database)
	save(t, s, ada)
	before := must[[]store.Session](t)(s.SaveSessions(t.Context(), []store.Session{later, earlier, stale}))
	equal(t, "what was known before the later one", before[0], ada)
	equal(t, "what was known before the one in between", before[1], ada.Merge(later))
	equal(t, "the session", named(t, s, ada), []store.Session{want})
}

func sessionsInPages(t *testing.T, database Database) {
	s := open(t, database)
	var want []store.Session
	for i := range 25 {
		session := ada
		session.ID = fmt.Sprintf("sess_%02d", 24-i)
		session.FirstSeen = at(-time.Duration(i/5) * time.Second) // five at a time
		want = append(want, session)
	}
	for _, i := range []int{7, 24, 0, 13} { // in no order
		save(t, s, want[i])
	}
	save(t, s, want...)
	for _, limit := range []int{1, 4, 5, 24, 25, 100} {
		var got []store.Session
		for after := (store.Session{}); ; after = got[len(got)-1] {
			page := must[[]store.Session](t)(s.Sessions(t.Context(), store.List(store.Everything()).Behind(after), limit))
			if len(page) > limit {
				t.Fatalf("a page of %d has %d sessions", limit, len(page))
			}
			if len(page) == 0 {
				break
			}
			var names []store.Session
			for _, session := range page {
				names = append(names, store.Session{Issuer: session.Issuer, ID: session.ID, Subject: session.Subject, FirstSeen: session.FirstSeen})
			}
			equal(t, "the names of a page", must[[]store.Session](t)(s.SessionNames(t.Context(), store.List(store.Everything()).Behind(after), limit)), names)
			got = append(got, page...)
			// What happens in between moves no session to another place.
			again := page[0]
			again.LastSeen = at(24 * time.Hour)
			save(t, s, again)
		}
		for i := range got {
			got[i].LastSeen = ada.LastSeen
		}
		equal(t, fmt.Sprintf("pages of %d", limit), got, want)
	}
	for i := 1; i < len(want); i++ {
		if !want[i-1].Before(want[i]) || want[i].Before(want[i-1]) {
			t.Errorf("Session.Before does not agree on %s and %s", want[i-1].ID, want[i].ID)
		}
	}
}

func viewsFilter(t *testing.T, database Database) {
	s := open(t, database)
	nobodys := store.Session{
		Issuer: "https://three.example.com", ID: "sess_3", Subject: "user_cleo",
		FirstSeen: at(-time.Minute), LastSeen: at(0), Token: store.Token{ExpiresAt: at(time.Hour)},
	}
	all := []store.Session{ada, ben, stranger, nobodys}
	save(t, s, all...)
	one, two := "https://one.example.com", "https://two.example.com"
	for name, test := range map[string]struct {
		view store.View
		want []store.Session
	}{
		"no filter":                        {nil, nil},
		"everything":                       {store.Everything(), all},
		"an issuer":                        {store.View{{Issuer: one}}, []store.Session{ada, ben}},
		"a session at one issuer":          {store.View{{Issuer: one, ID: "sess_1"}}, []store.Session{ada}},
		"a session at any issuer":          {store.View{{ID: "sess_1"}}, []store.Session{ada, stranger}},
		"a session of another subject":     {store.View{{ID: "sess_1", Subject: "user_ben"}}, nil},
		"a session in other letters":       {store.View{{ID: "SESS_1"}}, nil},
		"a subject at one issuer":          {store.View{{Issuer: one, Subject: "user_ada"}}, []store.Session{ada}},
		"a subject at any":                 {store.View{{Subject: "user_ada"}}, []store.Session{ada, stranger}},
		"an organization":                  {store.View{{Issuer: two, Organization: inOrganization("org_acme")}}, []store.Session{stranger}},
		"a subject in an organization":     {store.View{{Issuer: one, Subject: "user_ben", Organization: inOrganization("org_acme")}}, []store.Session{ben}},
		"what nobody matches":              {store.View{{Issuer: one, Subject: "user_ben", Organization: inOrganization("org_other")}}, nil},
		"a client":                         {store.View{{Issuer: one, ClientID: "client_1"}}, []store.Session{ada}},
		"no organization":                  {store.View{{Organization: inOrganization("")}}, []store.Session{nobodys}},
		"either of two, once":              {store.View{{Subject: "user_ada"}, {Issuer: one}}, all[:3]},
		"either of two, in the same order": {store.View{{Issuer: two}, {Subject: "user_ben"}}, []store.Session{ben, stranger}},
	} {
		equal(t, name, list(t, s, test.view), test.want)
		var matched []store.Session
		for _, session := range all {
			if test.view.Matches(session) {
				matched = append(matched, session)
			}
		}
		equal(t, name+", by View.Matches", matched, test.want)
	}
	after := must[[]store.Session](t)(s.Sessions(t.Context(), store.List(store.View{{Subject: "user_ada"}}).Behind(ada), 1))
	equal(t, "after the first of a view", after, []store.Session{stranger})
}

func expired(t *testing.T, database Database) {
	s := open(t, database)
	later := ada
	later.ID, later.Token.ExpiresAt = "sess_7", at(3*time.Hour)
	save(t, s, later, stranger, ada, ben) // ben and the stranger expire at the same time
	for name, test := range map[string]struct {
		after store.Session
		by    time.Time
		limit int
		want  []store.Session
	}{
		"before the first":        {store.Session{}, at(time.Hour - time.Microsecond), 10, nil},
		"at the first":            {store.Session{}, at(time.Hour), 10, []store.Session{ben, stranger}},
		"one":                     {store.Session{}, at(4 * time.Hour), 1, []store.Session{ben}},
		"after one":               {ben, at(4 * time.Hour), 10, []store.Session{stranger, ada, later}},
		"after one, up to a time": {stranger, at(2 * time.Hour), 10, []store.Session{ada}},
		"after the last":          {later, at(4 * time.Hour), 10, nil},
		"after a time":            {store.Session{Token: store.Token{ExpiresAt: at(time.Hour + time.Second)}}, at(4 * time.Hour), 10, []store.Session{ada, later}},
	} {
		equal(t, name, must[[]store.Session](t)(s.Expired(t.Context(), test.after, test.by, test.limit)), test.want)
	}
}

func hostileTexts(t *testing.T, database Database) {
	s := open(t, database)
	for _, hostile := range []string{
		`'; DROP TABLE sessions; -- %_" \ $1 ?`, "\\x00 \x00\x00 \xff\xc3\x28", incompressible(20_000),
	} {
		session := ada
		session.Issuer, session.ID, session.Subject, session.Organization, session.UserAgent = hostile, hostile, hostile, hostile, hostile
		session.Token.ID, session.Token.ClientID, session.Token.Actor.Subject = hostile, hostile, hostile
		save(t, s, session, ben)
		equal(t, "where it was seen", sightingsOf(t, s, session), [][]store.Sighting{{store.SightingOf(session)}})
		equal(t, "the session", list(t, s, store.View{{Issuer: hostile, ID: hostile, Subject: hostile, ClientID: hostile, Organization: inOrganization(hostile)}}), []store.Session{session})
		equal(t, "after it", must[[]store.Session](t)(s.Sessions(t.Context(), store.List(store.Everything()).Behind(session), 10)), []store.Session{ben})

		target := store.Target{Kind: "token", Issuer: hostile, Value: hostile, Subject: hostile}
		other := target
		other.Value += "\x00"
		by := store.Caller{Issuer: hostile, Subject: hostile, ClientID: hostile, SessionID: hostile, Actor: session.Token.Actor}
		answer := answerTo(store.Call{Issuer: hostile, Subject: hostile, Procedure: hostile, RequestID: hostile}, hostile)
		saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{{
			Target: target, ExpiresAt: at(time.Hour), Cause: hostile,
			Origin: store.Origin{Kind: store.OriginCaller, Caller: by, Signal: store.Signal{Source: hostile, Issuer: hostile, Type: hostile, MessageID: hostile}},
		}}, answer))
		equal(t, "the revocation", must[[]store.Revocation](t)(s.Strongest(t.Context(), []store.Target{target, other}, at(0))), saved)
		if hash, _, err := s.Answer(t.Context(), answer.Call); err != nil || string(hash) != hostile {
			t.Errorf("the answer's hash is %q, %v; want %q", hash, err, hostile)
		}
		must[store.Pruned](t)(s.Prune(t.Context(), store.Age{SeenBefore: at(24 * time.Hour)}, 10))
		equal(t, "what is left", list(t, s, store.Everything()), nil)
	}
}

// incompressible returns a text that takes at least half as much room as it is long.
func incompressible(length int) string {
	random := rand.NewChaCha8([32]byte{1})
	bytes := make([]byte, length/2)
	_, _ = random.Read(bytes)
	return hex.EncodeToString(bytes)
}

func sessionsInByteOrder(t *testing.T, database Database) {
	s := open(t, database)
	var want []store.Session
	for _, id := range []string{"\xff", "é", "b", "aé", "ab", "a", "_", "Z", "A", "-", "", "\x00"} {
		session := ada
		session.ID = id
		want = append(want, session)
	}
	slices.SortFunc(want, func(a, b store.Session) int { return strings.Compare(b.ID, a.ID) })
	save(t, s, want...)
	for i := 1; i < len(want); i++ {
		if !want[i-1].Before(want[i]) {
			t.Errorf("Session.Before does not agree on %q and %q", want[i-1].ID, want[i].ID)
		}
	}
	for i := range want {
		equal(t, fmt.Sprintf("those after %q", want[i].ID), must[[]store.Session](t)(s.Sessions(t.Context(), store.List(store.Everything()).Behind(want[i]), 100)), slices.Clip(append([]store.Session(nil), want[i+1:]...)))
	}
	slices.Reverse(want)
	equal(t, "expired", must[[]store.Session](t)(s.Expired(t.Context(), store.Session{}, ada.Token.ExpiresAt, 100)), want)
}

// Many replicas see the same sessions at once, each in another order.
func concurrentSessions(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		s := []store.Store{one, other}[w%2]
		wg.Go(func() {
			seen := make([]store.Session, each)
			for i := range seen {
				session := ada
				session.ID = fmt.Sprint("sess_", (i*7+w)%each)
				session.FirstSeen, session.LastSeen = at(time.Duration(w)*time.Second), at(time.Duration(w)*time.Second)
				session.Address = fmt.Sprint(w)
				seen[i] = session
			}
			if _, err := s.SaveSessions(t.Context(), seen); err != nil {
				t.Error(err)
			}
			if _, err := s.Prune(t.Context(), store.Age{SeenBefore: at(-time.Hour)}, 10); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all := list(t, one, store.Everything())
	if len(all) != each {
		t.Errorf("%d sessions are kept; want %d", len(all), each)
	}
	for _, session := range all {
		if session.FirstSeen != at(0) || session.LastSeen != at((writers-1)*time.Second) || session.Address != fmt.Sprint(writers-1) {
			t.Errorf("%s was seen from %v to %v, at the end from %s; want all %d observations in it", session.ID, session.FirstSeen, session.LastSeen, session.Address, writers)
		}
	}
}
