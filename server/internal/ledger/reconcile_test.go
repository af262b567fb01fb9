package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/outbox"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A fakeIssuer says what has become of sessions. Those that it does not name go on.
type fakeIssuer struct {
	mu    sync.Mutex
	ended map[string]string // the status of each that has ended
	errs  map[string][]error
	asked []string
}

func (f *fakeIssuer) SessionStatus(_ context.Context, s outbox.Session) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, s.ID)
	if errs := f.errs[s.ID]; len(errs) > 0 {
		f.errs[s.ID] = errs[1:]
		return "", false, errs[0]
	}
	status, ended := f.ended[s.ID]
	return status, ended, nil
}

func (f *fakeIssuer) EndSession(context.Context, outbox.Session) error {
	return errors.New("it is asked to end what it has ended")
}

func (f *fakeIssuer) Close() {}

// take returns which sessions were asked about since it was last called, in their order.
func (f *fakeIssuer) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := strings.Join(f.asked, " ")
	f.asked = nil
	return asked
}

// askable is an idle ledger whose issuer can be asked.
func askable(t *testing.T) (*Ledger, *meddledStore, *fakeIssuer) {
	t.Helper()
	l, db := idleLedger(t)
	issuer := &fakeIssuer{ended: make(map[string]string), errs: make(map[string][]error)}
	l.config.Enders = map[string]outbox.Ender{someIssuer: issuer}
	return l, db, issuer
}

// opened is a session of Ada whose token is good until a time.
func opened(id string, expires time.Time) store.Session {
	seen := expires.Add(-time.Minute)
	return store.Session{
		Issuer: someIssuer, ID: id, Subject: "user_ada", FirstSeen: seen, LastSeen: seen,
		Token: store.Token{ID: "tok_" + id, IssuedAt: seen, ExpiresAt: expires},
	}
}

func saveSessions(t *testing.T, l *Ledger, sessions ...store.Session) {
	t.Helper()
	if _, err := l.store.SaveSessions(t.Context(), sessions); err != nil {
		t.Fatal(err)
	}
}

func lastReconciliation(t *testing.T, l *Ledger) string {
	t.Helper()
	all := l.Reconciliations()
	if len(all) != 1 || all[0].Issuer != someIssuer || all[0].FinishedAt.IsZero() {
		t.Fatalf("%+v; want one that is finished", all)
	}
	return fmt.Sprintf("%d open, %d ended, %d unknown", all[0].Open, all[0].Ended, all[0].Unknown)
}

func TestAnIssuerIsAskedAboutTheSessionsThatWereOpen(t *testing.T) {
	t.Parallel()
	l, db, issuer := askable(t)
	log := logged(l)
	began := time.Now()
	other := opened("sess_elsewhere", began.Add(time.Hour))
	other.Issuer = "https://sso.example.com"
	saveSessions(
		t, l, other, opened("sess_long_ago", began.Add(-time.Minute)), opened("sess_known", began.Add(time.Hour)),
		opened("sess_on", began.Add(3*time.Second)), opened("sess_revoked", began.Add(time.Second)), opened("sess_expired", began.Add(time.Hour)),
	)
	known := revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_known"}
	if err := l.Signal(t.Context(), someSignal, known); err != nil {
		t.Fatal(err)
	}
	see(t, l, "sess_new") // which is not written yet
	issuer.ended["sess_revoked"], issuer.ended["sess_expired"], issuer.ended["sess_long_ago"] = "revoked", "expired", "ended"

	l.reconcile(t.Context(), someIssuer, began)
	if got := issuer.take(); got != "sess_expired sess_new sess_on sess_revoked" {
		t.Errorf("it was asked about %q; want those that were open, the longest first", got)
	}
	if got := lastReconciliation(t, l); got != "4 open, 2 ended, 0 unknown" {
		t.Error(got)
	}
	if text := log.String(); !strings.Contains(text, "level=INFO msg=\"the issuer has said which sessions ended during the outage\"") || strings.Contains(text, "user_ada") {
		t.Errorf("the log has %s", text)
	}
	for id, want := range map[string]bool{"sess_on": false, "sess_new": false, "sess_revoked": true, "sess_expired": true, "sess_long_ago": false} {
		if got := l.Revoked(store.Session{Issuer: someIssuer, ID: id, Subject: "user_ada"}); got != want {
			t.Errorf("%s is revoked: %v", id, got)
		}
	}
	all := kept(t, l)
	if len(all) != 3 {
		t.Fatalf("%d revocations; want those of three sessions", len(all))
	}
	want := store.Origin{Kind: store.OriginSignal, Signal: store.Signal{Source: "clerk-api", Issuer: someIssuer, Type: "expired"}}
	if all[1].Origin != want {
		t.Errorf("its origin is %+v; want %+v", all[1].Origin, want)
	}
	if n, err := db.PendingSignOuts(t.Context(), someIssuer); n != 0 || err != nil {
		t.Errorf("%d sessions are to be ended at the issuer again, %v", n, err)
	}

	// The message comes late, and there is another outage.
	late := someSignal
	late.MessageID = "msg_late"
	if err := l.Signal(t.Context(), late, revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_revoked"}); err != nil || len(kept(t, l)) != 3 {
		t.Errorf("%v, %d revocations; want those before", err, len(kept(t, l)))
	}
	l.reconcile(t.Context(), someIssuer, began)
	if got := issuer.take(); got != "sess_new sess_on" {
		t.Errorf("after another outage it was asked about %q", got)
	}
}

func TestAnIssuerIsAskedAboutSoManySessionsOnly(t *testing.T) {
	t.Parallel()
	l, _, issuer := askable(t)
	log := logged(l)
	began := time.Now()
	var sessions []store.Session
	for i := range maxReconciled + 7 {
		sessions = append(sessions, opened(fmt.Sprint("sess_", i), began.Add(time.Duration(i)*time.Second)))
	}
	saveSessions(t, l, sessions...)
	l.reconcile(t.Context(), someIssuer, began)
	asked := strings.Fields(issuer.take())
	if len(asked) != maxReconciled || asked[0] != sessions[len(sessions)-1].ID {
		t.Errorf("it was asked about %d, first about %s", len(asked), asked[0])
	}
	slices.Sort(asked)
	if len(slices.Compact(asked)) != maxReconciled {
		t.Error("it was asked about some of them twice")
	}
	if got := lastReconciliation(t, l); got != "1007 open, 0 ended, 7 unknown" {
		t.Error(got)
	}
	if !strings.Contains(log.String(), "level=WARN msg=\"the issuer has not said of all sessions") {
		t.Errorf("the log has %s", log)
	}
}

func TestAnIssuerThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	down := errors.New("the connection broke")
	for name, test := range map[string]struct {
		errs []error // about the first session
		// storeFails is a method of the store that fails once.
		storeFails string
		want       string
		took       time.Duration
		asked      int
	}{
		"it is down":             {[]error{down, down, down}, "", "3 open, 1 ended, 0 unknown", 7 * time.Second, 6},
		"it is asked too often":  {[]error{&outbox.RetryAfterError{Delay: time.Minute, Err: down}}, "", "3 open, 1 ended, 0 unknown", time.Minute, 4},
		"it stays down":          {slices.Repeat([]error{down}, 20), "", "3 open, 0 ended, 3 unknown", 63*time.Second + 3*time.Minute, 10},
		"it says no":             {[]error{outbox.ErrRefused}, "", "3 open, 1 ended, 1 unknown", 0, 3},
		"it refuses the key":     {[]error{outbox.ErrCredential}, "", "3 open, 0 ended, 3 unknown", 0, 1},
		"nothing can be kept":    {nil, "SaveRevocations", "3 open, 1 ended, 0 unknown", time.Second, 4},
		"no sessions can be had": {nil, "Expired", "3 open, 1 ended, 0 unknown", time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, db, issuer := askable(t)
				began := time.Now()
				for i := range 3 {
					saveSessions(t, l, opened(fmt.Sprint("sess_", i), began.Add(time.Duration(9-i)*time.Minute)))
				}
				issuer.errs["sess_0"], issuer.ended["sess_2"] = test.errs, "ended"
				db.fails, db.failing = test.storeFails, func() { db.fails = "" }
				l.reconcile(t.Context(), someIssuer, began)
				if got := lastReconciliation(t, l); got != test.want {
					t.Errorf("%s; want %s", got, test.want)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("it took %v; want %v", took, test.took)
				}
				if n := len(strings.Fields(issuer.take())); n != test.asked {
					t.Errorf("it was asked %d times; want %d", n, test.asked)
				}
			})
		})
	}
}

func TestIssuersAreAskedAtTheStartAndWhenTheStoreWorksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := func() { // the store may sleep where two write at once
			<-time.After(time.Second)
			synctest.Wait()
		}
		dir := t.TempDir()
		issuer := &fakeIssuer{ended: map[string]string{"sess_1": "ended"}}
		config := someConfig()
		config.Enders = map[string]outbox.Ender{someIssuer: issuer}
		l := open(t, dir, config)
		see(t, l, "sess_1") // for a minute
		see(t, l, "sess_2")
		closeLedger(t, l)

		<-time.After(time.Hour)
		l = open(t, dir, config)
		l.Reconcile(someIssuer, "https://sso.example.com")
		asked()
		if got := issuer.take(); got != "sess_2 sess_1" {
			t.Errorf("at the start it was asked about %q", got)
		}
		if got := lastReconciliation(t, l); got != "2 open, 1 ended, 0 unknown" {
			t.Error(got)
		}

		see(t, l, "sess_3")
		began := time.Now()
		l.fails(t.Context(), writing, "cannot write", errDiskFull)
		<-time.After(time.Nanosecond)
		l.fails(t.Context(), reading, "cannot read", errDiskFull)
		l.works(t.Context(), reading)
		synctest.Wait()
		if got := issuer.take(); got != "" {
			t.Errorf("while the store fails it was asked about %q", got)
		}
		l.works(t.Context(), writing)
		l.works(t.Context(), writing)
		asked()
		if got := issuer.take(); got != "sess_3" {
			t.Errorf("when the store works again it was asked about %q", got)
		}
		if since := l.Reconciliations()[0].Since; !since.Equal(began) {
			t.Errorf("since %v; want %v, when it began to fail", since, began)
		}

		issuer.errs = map[string][]error{"sess_3": slices.Repeat([]error{errDiskFull}, 100)}
		l.hadOutage(began)
		synctest.Wait()
		closeLedger(t, l) // while it waits to ask again
	})
}
