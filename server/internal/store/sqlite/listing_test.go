package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// A list reads no more sessions than it needs, and sorts no more than those of the same time, or
// of one subject.
func TestAListIsFoundByAnIndex(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ostiary.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	acme := "org_acme"
	const issuer = "https://a.example.com"
	inOrder, lastSeen := "sessions_in_order", "sessions_by_last_seen"
	for name, test := range map[string]struct {
		filter store.Filter
		order  store.Order
		index  string
		sorts  bool // all that it finds
	}{
		"of everybody":                    {store.Filter{}, store.FirstSeenDesc, inOrder, false},
		"of everybody, the oldest first":  {store.Filter{}, store.FirstSeenAsc, inOrder, false},
		"of everybody, used last":         {store.Filter{}, store.LastSeenDesc, lastSeen, false},
		"of everybody, by subject":        {store.Filter{}, store.BySubject, "sessions_of_subject", false},
		"of an issuer":                    {store.Filter{Issuer: issuer}, store.FirstSeenDesc, inOrder, false},
		"of an issuer, by subject":        {store.Filter{Issuer: issuer}, store.BySubject, "sessions_of_subject", false},
		"of a subject":                    {store.Filter{Subject: "user_ada"}, store.FirstSeenDesc, "sessions_of_subject (subject=?", true},
		"of a subject, by subject":        {store.Filter{Subject: "user_ada"}, store.BySubject, "sessions_of_subject (subject=?", false},
		"of a subject of an issuer":       {store.Filter{Issuer: issuer, Subject: "user_ada"}, store.FirstSeenDesc, "sessions_of_subject (subject=? AND issuer=?", false},
		"of one of an issuer, by subject": {store.Filter{Issuer: issuer, Subject: "user_ada"}, store.BySubject, "sessions_of_subject (subject=? AND issuer=?", false},
		"in an organization":              {store.Filter{Organization: &acme}, store.FirstSeenDesc, "sessions_in_organization (organization=?", false},
		"in one of an issuer":             {store.Filter{Issuer: issuer, Organization: &acme}, store.FirstSeenDesc, "sessions_in_organization (organization=?", false},
		"of a subject in one":             {store.Filter{Issuer: issuer, Subject: "user_ada", Organization: &acme}, store.FirstSeenDesc, "sessions_of_subject (subject=?", false},
		"of a client":                     {store.Filter{Issuer: issuer, ClientID: "crm"}, store.FirstSeenDesc, "sessions_of_client (client_id=?", false},
		"by its id":                       {store.Filter{Issuer: issuer, ID: "sess_1"}, store.FirstSeenDesc, "(issuer=? AND session_id=?)", true},
		"by its id in one":                {store.Filter{Issuer: issuer, ID: "sess_1", Organization: &acme}, store.FirstSeenDesc, "(issuer=? AND session_id=?)", true},
	} {
		listing := store.Listing{View: store.View{test.filter}, Order: test.order}
		at := store.FromMicros(1700000000000000)
		for _, listing := range []store.Listing{listing, listing.Behind(store.Session{FirstSeen: at, LastSeen: at, Issuer: issuer, Subject: "user_a"})} {
			plan := s.Plan(t, listing)
			if sorts := strings.Contains(plan, "TEMP B-TREE FOR ORDER BY"); !strings.Contains(plan, test.index) || sorts && !test.sorts {
				t.Errorf("%s: it is found by\n%s\nwant %s, and no sorting of all", name, plan, test.index)
			}
		}
	}
}
