package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// A list reads no more sessions than it needs, and sorts no more than those of the same time.
func TestAListIsFoundByAnIndex(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ostiary.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	acme := "org_acme"
	for name, test := range map[string]struct {
		filter store.Filter
		index  string
	}{
		"of everybody":              {store.Filter{}, "sessions_in_order"},
		"of an issuer":              {store.Filter{Issuer: "https://a.example.com"}, "sessions_in_order"},
		"of a subject":              {store.Filter{Subject: "user_ada"}, "sessions_of_subject (subject=?"},
		"of a subject of an issuer": {store.Filter{Issuer: "https://a.example.com", Subject: "user_ada"}, "sessions_of_subject (subject=?"},
		"in an organization":        {store.Filter{Organization: &acme}, "sessions_in_organization (organization=?"},
		"in one of an issuer":       {store.Filter{Issuer: "https://a.example.com", Organization: &acme}, "sessions_in_organization (organization=?"},
		"of a subject in one":       {store.Filter{Subject: "user_ada", Organization: &acme}, "sessions_of_subject (subject=?"},
		"of a client":               {store.Filter{Issuer: "https://a.example.com", ClientID: "crm"}, "sessions_of_client (client_id=?"},
		"by its id":                 {store.Filter{Issuer: "https://a.example.com", ID: "sess_1"}, "(issuer=? AND session_id=?)"},
		"by its id in one":          {store.Filter{Issuer: "https://a.example.com", ID: "sess_1", Organization: &acme}, "(issuer=? AND session_id=?)"},
	} {
		listing := store.List(store.View{test.filter})
		for _, listing := range []store.Listing{listing, listing.Behind(store.Session{FirstSeen: store.FromMicros(1700000000000000), Issuer: "https://a.example.com"})} {
			plan := s.Plan(t, listing)
			if sortsAll := strings.Contains(plan, "TEMP B-TREE FOR ORDER BY") && test.filter.ID == ""; !strings.Contains(plan, test.index) || sortsAll {
				t.Errorf("%s: it is found by\n%s\nwant %s, and no sorting of all", name, plan, test.index)
			}
		}
	}
}
