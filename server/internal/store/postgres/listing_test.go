package postgres_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
)

// A list reads no more sessions than it needs, and sorts no more than those of the same time, or
// of one subject.
func TestAListIsFoundByAnIndex(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.NewDatabase(t))
	s.Exec(t, `INSERT INTO ostiary.sessions SELECT sha256(i::text::bytea), 'https://a.example.com', ('sess_' || i)::bytea, ('user_' || i % 2000)::bytea,
		'', '', '', '', 1700000000000000 + i, 1700000000000000 + i * 7919::bigint % 20011, '', '', '', '', '', '', 0, 0 FROM generate_series(1, 20000) i`)
	s.Exec(t, `ANALYZE ostiary.sessions`)
	const issuer = "https://a.example.com"
	sorts := regexp.MustCompile(`(^|->  )Sort `)
	for name, test := range map[string]struct {
		filter store.Filter
		order  store.Order
		index  string
	}{
		"of everybody":                    {store.Filter{}, store.FirstSeenDesc, "sessions_in_order"},
		"of everybody, the oldest first":  {store.Filter{}, store.FirstSeenAsc, "sessions_in_order"},
		"of everybody, used last":         {store.Filter{}, store.LastSeenDesc, "sessions_by_last_seen"},
		"of everybody, by subject":        {store.Filter{}, store.BySubject, "sessions_of_subject"},
		"of an issuer, by subject":        {store.Filter{Issuer: issuer}, store.BySubject, "sessions_of_subject"},
		"of a subject":                    {store.Filter{Subject: "user_7"}, store.FirstSeenDesc, "sessions_of_subject"},
		"of a subject of an issuer":       {store.Filter{Issuer: issuer, Subject: "user_7"}, store.FirstSeenDesc, "sessions_of_subject"},
		"of one of an issuer, by subject": {store.Filter{Issuer: issuer, Subject: "user_7"}, store.BySubject, "sessions_of_subject"},
	} {
		listing := store.Listing{View: store.View{test.filter}, Order: test.order}
		at := store.FromMicros(1700000000010000)
		for _, listing := range []store.Listing{listing, listing.Behind(store.Session{FirstSeen: at, LastSeen: at, Issuer: issuer, Subject: "user_1"})} {
			plan := s.Plan(t, listing)
			sortsAll := test.filter.Subject == "" && sorts.MatchString(plan) // a subject's are few
			if !strings.Contains(plan, test.index) || sortsAll {
				t.Errorf("%s: it is found by\n%s\nwant %s, and no sorting of all", name, plan, test.index)
			}
		}
	}
}
