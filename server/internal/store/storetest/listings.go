package storetest

import (
	"cmp"
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
		"up to a time":                       {store.Listing{Until: store.Session{FirstSeen: ben.FirstSeen}}, []store.Session{ada, ben}},
		"behind one":                         {store.Listing{After: ben}, []store.Session{stranger, everlasting}},
		"by subject":                         {store.Listing{Order: store.BySubject}, []store.Session{everlasting, ada, stranger, ben}},
		"by subject, up to one":              {store.Listing{Order: store.BySubject, Until: store.BySubject.Key(ada)}, []store.Session{everlasting, ada}},
		"by subject, behind one":             {store.Listing{Order: store.BySubject, After: ada, Prefix: "sess_"}, []store.Session{stranger, ben}},
		"all at once": {
			store.Listing{Prefix: "user_", Service: &own, LastSeenBefore: at(time.Hour), ExpiresBy: at(time.Hour), After: ada, Until: store.Session{FirstSeen: ben.FirstSeen}},
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
	// An index may have no more than the beginning of a subject.
	long := strings.Repeat("x", 300)
	subjects := []string{"user_b", long + "2", "user_a", long, "User_c", long + "1"}
	all := make([]store.Session, 24)
	for i := range all {
		all[i] = ada
		all[i].ID = fmt.Sprintf("sess_%02d", i*5%24)
		all[i].FirstSeen = at(time.Duration(i/3) * time.Second) // three at a time
		all[i].LastSeen = at(time.Hour - time.Duration(i%4)*time.Second)
		all[i].Subject = subjects[i%len(subjects)]
		all[i].Issuer = ada.Issuer + strings.Repeat("/", i/12)
	}
	save(t, s, all...)
	// By a time, and a name.
	byTime := func(timeOf func(store.Session) time.Time) func(a, b store.Session) int {
		return func(a, b store.Session) int {
			return cmp.Or(timeOf(a).Compare(timeOf(b)), strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.ID, b.ID))
		}
	}
	firstSeen := byTime(func(s store.Session) time.Time { return s.FirstSeen })
	lastSeen := byTime(func(s store.Session) time.Time { return s.LastSeen })
	for name, test := range map[string]struct {
		order   store.Order
		compare func(a, b store.Session) int
	}{
		"first seen, the newest first": {store.FirstSeenDesc, func(a, b store.Session) int { return firstSeen(b, a) }},
		"first seen, the oldest first": {store.FirstSeenAsc, firstSeen},
		"last seen, the latest first":  {store.LastSeenDesc, func(a, b store.Session) int { return lastSeen(b, a) }},
		"by subject": {store.BySubject, func(a, b store.Session) int {
			return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.Issuer, b.Issuer), firstSeen(b, a))
		}},
	} {
		want := slices.SortedFunc(slices.Values(all), test.compare)
		listing := store.Listing{View: store.Everything(), Order: test.order}
		for i, session := range want {
			key := test.order.Key(session)
			equal(t, fmt.Sprintf("%s: the key of %d", name, i+1), must[store.Session](t)(s.KeyAt(t.Context(), listing, i+1)), key)
			place := test.order.Place(test.order.Time(session), session.Issuer, session.ID, session.Subject)
			page := must[[]store.Session](t)(s.Sessions(t.Context(), listing.Behind(place), 4))
			equal(t, fmt.Sprintf("%s: those behind %d", name, i+1), page, slices.Clip(append([]store.Session(nil), want[i+1:min(i+5, len(want))]...)))
			if i+1 < len(want) {
				equal(t, fmt.Sprintf("%s: the key of the next", name), must[store.Session](t)(s.KeyAt(t.Context(), listing.Behind(place), 1)), test.order.Key(want[i+1]))
			}
			hasKey := func(s store.Session) bool { return test.order.Key(s) == key }
			upTo := listing
			upTo.Until = key
			last := len(want) - 1
			for !hasKey(want[last]) {
				last--
			}
			equal(t, fmt.Sprintf("%s: those up to the key of %d", name, i+1), must[[]store.Session](t)(s.Sessions(t.Context(), upTo, 100)), want[:last+1])
			rest := must[[]store.Session](t)(s.Sessions(t.Context(), listing.Behind(test.order.Behind(key)), 100))
			equal(t, fmt.Sprintf("%s: those behind the key of %d", name, i+1), rest, slices.Clip(append([]store.Session(nil), want[last+1:]...)))
		}
		equal(t, name+": the key of one more than there are", must[store.Session](t)(s.KeyAt(t.Context(), listing, len(want)+1)), store.Session{})
		equal(t, name+": the key without a view", must[store.Session](t)(s.KeyAt(t.Context(), store.Listing{Order: test.order}, 1)), store.Session{})
		// A page of a subject's own.
		own := store.Listing{View: store.View{{Issuer: ada.Issuer, Subject: long}}, Order: test.order}
		equal(t, name+": those of a subject", must[[]store.Session](t)(s.Sessions(t.Context(), own, 100)),
			slices.Clip(slices.DeleteFunc(slices.Clone(want), func(s store.Session) bool { return s.Issuer != ada.Issuer || s.Subject != long })))
	}
}
