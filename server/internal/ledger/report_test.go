package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// However many sessions are reported, few are kept until they are written, and those of
// this server are not among what is lost.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	l.reported = newActivity(100)
	see(t, l, "own")
	now := l.now()
	report := func(session, service string) {
		t.Helper()
		if !l.Report(store.Session{
			Issuer: someIssuer, ID: session, Subject: "user_ada", Service: service, FirstSeen: now, LastSeen: now,
			Token: store.Token{ExpiresAt: now.Add(time.Minute)},
		}) {
			t.Fatalf("%s is rejected", session)
		}
	}
	for i := range 150 {
		report(fmt.Sprint("sess_", i), "billing")
	}
	report("own", "billing")
	report("own", "shipping")
	log := logged(l)
	l.Flush(t.Context())
	all, err := l.store.Sessions(t.Context(), store.List(store.Everything()), 1000)
	if err != nil || len(all) != 99 { // 98 of those, and that of this server
		t.Errorf("%d sessions, %v; want 99", len(all), err)
	}
	seen, err := l.Sightings(t.Context(), store.Session{Issuer: someIssuer, ID: "own", Subject: "user_ada"})
	if err != nil || len(seen[0]) != 3 {
		t.Errorf("own was seen by %v, %v; want three", seen, err)
	}
	if got := log.String(); !strings.Contains(got, "dropped=52") {
		t.Errorf("the log is %q; want what was dropped in it", got)
	}
}

// What cannot be written is written later.
func TestAReportIsWrittenWhenTheStoreWorksAgain(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	now := l.now()
	if !l.Report(store.Session{
		Issuer: someIssuer, ID: "sess_1", Subject: "user_ada", Service: "billing", FirstSeen: now, LastSeen: now,
		Token: store.Token{ExpiresAt: now.Add(time.Minute)},
	}) {
		t.Fatal("it is rejected")
	}
	db.fails = "SaveSessions"
	l.Flush(t.Context())
	if got := sessionsIn(t, l); got != "" {
		t.Errorf("%q; want nothing", got)
	}
	db.fails = ""
	l.Flush(t.Context())
	if got := sessionsIn(t, l); got != "sess_1" {
		t.Errorf("%q; want sess_1", got)
	}
}
