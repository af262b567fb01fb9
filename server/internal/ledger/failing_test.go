package ledger

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// logged has the ledger write to a buffer.
func logged(l *Ledger) *bytes.Buffer {
	log := new(bytes.Buffer)
	l.config.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return log
}

func TestNothingIsAcknowledgedThatTheStoreDidNotDo(t *testing.T) {
	t.Parallel()
	endSubject := func(ctx context.Context, l *Ledger) error {
		_, _, err := l.EndSubject(ctx, operator, someIssuer, "user_ada", "")
		return err
	}
	endSession := func(ctx context.Context, l *Ledger) error {
		_, err := l.End(ctx, operator, "", store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada"})
		return err
	}
	list := func(ctx context.Context, l *Ledger) error {
		_, _, err := l.Sessions(ctx, store.Everything(), store.Session{}, 1)
		return err
	}
	revocations := func(ctx context.Context, l *Ledger) error {
		_, _, err := l.Revocations(ctx, 0, 1)
		return err
	}
	for name, test := range map[string]struct {
		call    func(context.Context, *Ledger) error
		fails   string
		after   int // calls that succeed before
		revoked bool
	}{
		"a subject whose sessions cannot be read":         {endSubject, "Sessions", 0, false},
		"a subject whose later sessions cannot be read":   {endSubject, "Sessions", 1, true},
		"a subject of whom it is not known what is ended": {endSubject, "RevokedUntil", 0, true},
		"a subject that is not kept":                      {endSubject, "SaveRevocations", 0, false},
		"a session that is not kept":                      {endSession, "SaveRevocations", 0, false},
		"sessions that cannot be read":                    {list, "Sessions", 0, false},
		"revocations that cannot be read":                 {revocations, "Revocations", 0, false},
	} {
		for _, gone := range []bool{false, true} {
			l, db := idleLedger(t)
			log := logged(l)
			sessionsOf(t, l, "user_ada", 1)
			db.fails, db.succeed = test.fails, test.after
			ctx, leave := context.WithCancel(t.Context())
			if gone { // the caller, while the store fails
				db.failing = leave
			}
			err := test.call(ctx, l)
			leave()
			if !gone && (connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "disk") || !strings.Contains(log.String(), errDiskFull.Error())) {
				t.Errorf("%s: %v; want unavailable, and why in the log alone", name, err)
			}
			if gone && !test.revoked && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, to a caller who is gone: %v; want canceled", name, err)
			}
			if revoked := l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada", IssuedAt: time.Now()}); revoked != test.revoked {
				t.Errorf("%s: it is revoked: %v; want %v", name, revoked, test.revoked)
			}
		}
	}
}

func TestOfASessionThatWasEndedItMustBeKnownUntilWhen(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	session := store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada"}
	if revoked, err := l.End(t.Context(), operator, "", session); err != nil || len(revoked) != 1 {
		t.Fatalf("%v, %v", revoked, err)
	}
	db.fails = "RevokedUntil"
	if revoked, err := l.End(t.Context(), operator, "", session); connect.CodeOf(err) != connect.CodeUnavailable || revoked != nil {
		t.Errorf("%v, error %v; want unavailable", revoked, err)
	}
}

// Without what was revoked nothing is served.
func TestALedgerThatCannotReadWhatIsRevokedDoesNotOpen(t *testing.T) {
	t.Parallel()
	db := &meddledStore{Store: openStore(t, t.TempDir()), fails: "Revocations"}
	if l, err := Open(t.Context(), db, someConfig()); l != nil || !errors.Is(err, errDiskFull) {
		t.Errorf("%v, error %v; want %v", l, err, errDiskFull)
	}
	if _, err := db.Store.Revocations(t.Context(), 0, 1); err == nil {
		t.Error("the store is still open")
	}
}

func TestWhatFailsInTheBackgroundIsLogged(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	log := logged(l)
	want := func(parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log lacks %q: %s", part, log)
			}
		}
		log.Reset()
	}
	db.fails = "Prune"
	if l.prune(t.Context()) {
		t.Error("there is said to be more to prune")
	}
	want("level=ERROR", "cannot remove what has expired", errDiskFull.Error())
	db.fails = "SaveSessions"
	see(t, l, "sess_1")
	l.Flush(t.Context())
	want("level=ERROR", "cannot write what was seen", "sessions=1", errDiskFull.Error())

	l.activity = newActivity(1)
	db.fails = ""
	see(t, l, "sess_1")
	see(t, l, "sess_2")
	l.Flush(t.Context())
	want("level=WARN", "some will be listed late", "dropped=1")
	l.Flush(t.Context())
	if log.Len() > 0 {
		t.Errorf("logged though nothing happened: %s", log)
	}

	_, leave := l.Watch(func(store.Session) bool { return true })
	defer leave()
	if _, err := l.End(t.Context(), operator, "", store.Session{Issuer: someIssuer, ID: "sess_2"}); err != nil {
		t.Fatal(err)
	}
	want("level=INFO", "msg=revoked", "count=1", "kind=session", "by_issuer="+someIssuer, "by_subject=user_otto")
	db.fails = "Sessions"
	if err := l.readRevocations(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("level=ERROR", "cannot send revocations to the watchers", errDiskFull.Error())
}

// Watchers receive each session that a revocation ends once, whatever its target.
func TestAWatcherIsToldOnceOfEachSessionThatIsEnded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, requests := range map[string][]revocation.Revocation{
		"by its session":             {{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by its session, twice":      {{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}},
		"by its subject":             {{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}},
		"by its issuer":              {{Kind: revocation.TargetIssuer, Issuer: someIssuer}},
		"by its subject and session": {{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}, {Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}},
		"by nothing that it has": {
			{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Subject: "user_ben"},
			{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_2"},
			{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ben"},
			{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada", Before: now.Add(-time.Hour)}, // and its token is newer
			{Kind: revocation.TargetToken, Issuer: someIssuer, ID: "sess_1"},
			{Kind: revocation.TargetClient, Issuer: someIssuer, ID: "user_ada"},
		},
	} {
		l, _ := idleLedger(t)
		see(t, l, "sess_1")
		l.Flush(t.Context())
		events, leave := l.Watch(func(store.Session) bool { return true })
		var prepared []Request
		for _, r := range requests {
			request, err := l.Prepare(Request{Revocation: r})
			if err != nil {
				t.Fatal(err)
			}
			prepared = append(prepared, request)
		}
		if _, err := l.Revoke(t.Context(), operator, prepared...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.readRevocations(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		leave()
		want := 1
		if name == "by nothing that it has" {
			want = 0
		}
		if len(events) != want {
			t.Errorf("%s: %d events; want %d", name, len(events), want)
			continue
		}
		if want > 0 {
			if got := <-events; got.Kind != sessionv1.Event_EVENT_REVOKED || got.Session.ID != "sess_1" {
				t.Errorf("%s: unexpected event %+v", name, got)
			}
		}
	}
}
