package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func listings(t *testing.T, database Database) {
	s := open(t, database)
	everlasting := ada
	everlasting.ID, everlasting.Subject, everlasting.Organization = "sess_1_again", "ada", "beta"
	everlasting.Service, everlasting.Token.ExpiresAt = "billing", time.Time{}
	everlasting.FirstSeen = at(-time.Minute)
	save(t, s, ada, ben, stranger, everlasting)
	everlasting.Service = ""
	own, billing, unknown := "", "billing", "billin"
	for name, test := range map[string]struct {
		listing store.Listing
		want    []store.Session
	}{
		"an id begins so":                    {store.Listing{Prefix: "sess_1"}, []store.Session{ada, stranger, everlasting}},
		"a subject begins so":                {store.Listing{Prefix: "user_b"}, []store.Session{ben}},
		"an organization begins so":          {store.Listing{Prefix: "org_"}, []store.Session{ada, ben, stranger}},
		"a subject, or an organization":      {store.Listing{Prefix: "be"}, []store.Session{everlasting}},
		"the whole id":                       {store.Listing{Prefix: "sess_2"}, []store.Session{ben}},
		"in the midst of an id":              {store.Listing{Prefix: "ess_1"}, nil},
		"in other letters":                   {store.Listing{Prefix: "Sess_1"}, nil},
		"no pattern":                         {store.Listing{Prefix: "sess%"}, nil},
		"behind all others":                  {store.Listing{Prefix: "\xff\xff"}, nil},
		"a service has seen it":              {store.Listing{Service: &billing}, []store.Session{everlasting}},
		"this server has seen it":            {store.Listing{Service: &own}, []store.Session{ada, ben, stranger}},
		"no service by this name":            {store.Listing{Service: &unknown}, nil},
		"it was last seen before":            {store.Listing{LastSeenBefore: at(time.Minute)}, []store.Session{stranger}},
		"it expires after a time, or never":  {store.Listing{ExpiresAfter: at(time.Hour)}, []store.Session{ada, everlasting}},
		"it expires by a time":               {store.Listing{ExpiresBy: at(time.Hour)}, []store.Session{ben, stranger}},
		"it expires by a time, which passed": {store.Listing{ExpiresBy: at(time.Hour - time.Microsecond)}, nil},
		"up to a time":                       {store.Listing{Until: ben.FirstSeen}, []store.Session{ada, ben}},
		"behind one":                         {store.Listing{After: ben}, []store.Session{stranger, everlasting}},
		"all at once": {
			store.Listing{Prefix: "user_", Service: &own, LastSeenBefore: at(time.Hour), ExpiresBy: at(time.Hour), After: ada, Until: ben.FirstSeen},
			[]store.Session{ben},
		},
	} {
		listing := test.listing
		listing.View = store.Everything()
		equal(t, name, must[[]store.Session](t)(s.Sessions(t.Context(), listing, 10)), test.want)
		equal(t, name+", counted", must[int64](t)(s.CountSessions(t.Context(), listing)), int64(len(test.want)))
		listing.View = store.View{{Subject: "user_nobody"}}
		equal(t, name+", outside the view", must[int64](t)(s.CountSessions(t.Context(), listing)), 0)
		listing.View = nil
		equal(t, name+", without a view", must[int64](t)(s.CountSessions(t.Context(), listing)), 0)
	}
}

func listingsInOrder(t *testing.T, database Database) {
	s := open(t, database)
	all := make([]store.Session, 12)
	for i := range all {
		all[i] = ada
		all[i].ID = fmt.Sprintf("sess_%02d", i*5%12)
		all[i].FirstSeen = at(time.Duration(i/3) * time.Second) // three at a time
		all[i].LastSeen = at(time.Hour - time.Duration(i%4)*time.Second)
	}
	save(t, s, all...)
	byID := func(a, b store.Session) int { return strings.Compare(a.ID, b.ID) }
	for name, test := range map[string]struct {
		order   store.Order
		compare func(a, b store.Session) int
	}{
		"first seen, the newest first": {store.FirstSeenDesc, func(a, b store.Session) int {
			return -slices.Compare([]int{a.FirstSeen.Compare(b.FirstSeen), byID(a, b)}, []int{0, 0})
		}},
		"first seen, the oldest first": {store.FirstSeenAsc, func(a, b store.Session) int {
			return slices.Compare([]int{a.FirstSeen.Compare(b.FirstSeen), byID(a, b)}, []int{0, 0})
		}},
		"last seen, the latest first": {store.LastSeenDesc, func(a, b store.Session) int {
			return -slices.Compare([]int{a.LastSeen.Compare(b.LastSeen), byID(a, b)}, []int{0, 0})
		}},
	} {
		want := slices.SortedFunc(slices.Values(all), test.compare)
		listing := store.Listing{View: store.Everything(), Order: test.order}
		for i := range want {
			at := test.order.Time(want[i])
			equal(t, fmt.Sprintf("%s: the time of %d", name, i+1), must[time.Time](t)(s.TimeAt(t.Context(), listing, i+1)), at)
			place := test.order.Place(at, want[i].Issuer, want[i].ID, want[i].Subject)
			page := must[[]store.Session](t)(s.Sessions(t.Context(), listing.Behind(place), 4))
			equal(t, fmt.Sprintf("%s: those behind %d", name, i+1), page, slices.Clip(append([]store.Session(nil), want[i+1:min(i+5, len(want))]...)))
			if i+1 < len(want) {
				equal(t, fmt.Sprintf("%s: the time of the next", name), must[time.Time](t)(s.TimeAt(t.Context(), listing.Behind(place), 1)), test.order.Time(want[i+1]))
			}
			rest := must[[]store.Session](t)(s.Sessions(t.Context(), listing.Behind(test.order.Behind(at)), 100))
			later := slices.DeleteFunc(slices.Clone(want[i+1:]), func(s store.Session) bool { return test.order.Time(s).Equal(at) })
			equal(t, fmt.Sprintf("%s: those behind the time of %d", name, i+1), rest, slices.Clip(append([]store.Session(nil), later...)))
		}
		equal(t, name+": the time of one more than there are", must[time.Time](t)(s.TimeAt(t.Context(), listing, len(want)+1)), time.Time{})
		equal(t, name+": the time without a view", must[time.Time](t)(s.TimeAt(t.Context(), store.Listing{Order: test.order}, 1)), time.Time{})
	}
}
