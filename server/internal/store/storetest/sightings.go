package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func sightingsOf(t *testing.T, s store.Store, sessions ...store.Session) [][]store.Sighting {
	t.Helper()
	return must[[][]store.Sighting](t)(s.Sightings(t.Context(), sessions))
}

func sightings(t *testing.T, database Database) {
	s := open(t, database)
	save(t, s, ada)
	elsewhere := ada
	elsewhere.Service, elsewhere.UserAgent, elsewhere.Address = "billing", "Phone/2.0", "198.51.100.7"
	elsewhere.FirstSeen, elsewhere.LastSeen = at(3*time.Hour), at(4*time.Hour)
	elsewhere.Token.IssuedAt, elsewhere.Token.ExpiresAt, elsewhere.Token.ClientID = at(3*time.Hour), at(5*time.Hour), "client_2"
	before := must[[]store.Session](t)(s.SaveSessions(t.Context(), []store.Session{elsewhere, elsewhere, ben}))
	unknown := ada.SeenAs(store.Sighting{})
	equal(t, "before it was seen there, and after", before, []store.Session{unknown, ada.Merge(elsewhere), {}})
	want := []store.Sighting{store.SightingOf(elsewhere), store.SightingOf(ada)}
	equal(t, "where it was seen", sightingsOf(t, s, ben, stranger, ada), [][]store.Sighting{{store.SightingOf(ben)}, nil, want})
	merged := ada.Merge(elsewhere)
	merged.Service = ""
	equal(t, "the session", named(t, s, ada), []store.Session{merged})

	earlier := elsewhere
	earlier.FirstSeen, earlier.LastSeen, earlier.Address = at(0), at(time.Minute), "192.0.2.9"
	before = must[[]store.Session](t)(s.SaveSessions(t.Context(), []store.Session{earlier}))
	equal(t, "what the service knew", store.SightingOf(before[0]), store.SightingOf(ada.Merge(elsewhere)))
	want[0].FirstSeen = at(0)
	equal(t, "after an earlier observation", sightingsOf(t, s, ada), [][]store.Sighting{want})
	merged.FirstSeen = at(0)
	equal(t, "the session after it", named(t, s, ada), []store.Session{merged})

	must[store.Pruned](t)(s.Prune(t.Context(), store.Age{SeenBefore: at(24 * time.Hour)}, 10))
	save(t, s, ben)
	equal(t, "after the sessions were removed", sightingsOf(t, s, ada, ben), [][]store.Sighting{nil, {store.SightingOf(ben)}})
}

func sightingsAreBounded(t *testing.T, database Database) {
	s := open(t, database)
	var want []store.Sighting
	for i := range store.MaxSightings + 5 {
		session := ada
		session.Service, session.LastSeen = fmt.Sprintf("service-%02d", i), at(time.Hour+time.Duration(i)*time.Second)
		save(t, s, session)
		want = append([]store.Sighting{store.SightingOf(session)}, want...)
	}
	equal(t, "the latest", sightingsOf(t, s, ada), [][]store.Sighting{want[:store.MaxSightings]})
	for i := 1; i < len(want); i++ {
		if want[i-1].Compare(want[i]) >= 0 {
			t.Errorf("Compare does not agree on %s and %s", want[i-1].Service, want[i].Service)
		}
	}
	again := ada
	again.Service, again.LastSeen = "service-00", at(2*time.Hour)
	save(t, s, again)
	equal(t, "one that comes back", sightingsOf(t, s, ada), [][]store.Sighting{append([]store.Sighting{store.SightingOf(again)}, want[:store.MaxSightings-1]...)})
}
