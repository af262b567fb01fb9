package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

var operator = &auth.Identity{Issuer: someIssuer, Subject: "user_otto"}

// sessionsOf saves n sessions of a subject.
func sessionsOf(t *testing.T, l *Ledger, subject string, n int) {
	t.Helper()
	sessions := make([]store.Session, n)
	for i := range sessions {
		sessions[i] = store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i), Subject: subject, FirstSeen: time.Unix(int64(i/7), 0), LastSeen: l.config.Now()}
	}
	if _, err := l.store.SaveSessions(t.Context(), sessions); err != nil {
		t.Fatal(err)
	}
}

// A page of the store is no more than a part of what somebody has.
func TestEverySessionOfASubjectIsEnded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, BatchSize + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			l, _ := idleLedger(t)
			sessionsOf(t, l, "user_ada", n)
			sessionsOf(t, l, "user_ben", 1)
			revoked, ended, err := l.EndSubject(t.Context(), operator, someIssuer, "user_ada", "left")
			if err != nil || ended != n || revoked.Kind != "subject" || revoked.Value != "user_ada" || revoked.Cause != "left" {
				t.Errorf("%+v, %d sessions, error %v; want %d", revoked, ended, err, n)
			}
			for i := range n {
				if !l.Revoked(store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i), Subject: "user_ada", IssuedAt: l.config.Now().Add(time.Hour)}) {
					t.Fatalf("session %d goes on", i)
				}
			}
			if l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ben", IssuedAt: l.config.Now()}) {
				t.Error("somebody else's session is ended")
			}
			kept, err := l.store.Revocations(t.Context(), 0, 10*BatchSize)
			if err != nil || len(kept) != n+1 {
				t.Errorf("%d revocations are kept, error %v; want %d", len(kept), err, n+1)
			}
		})
	}
}

var errDiskFull = errors.New("the disk is full")

// What another process has revoked is refused here only once it was read. Until then,
// end must not report that the session has ended.
func TestASessionEndsOnlyOnceTheListHasItsRevocation(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	by := &auth.Identity{Issuer: someIssuer, Subject: "user_ada"}
	session := store.Session{Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}
	_, err := l.store.SaveRevocations(t.Context(), []store.Revocation{{
		Kind: "session", Issuer: someIssuer, Value: "sess_1", ExpiresAt: l.config.Now().Add(retention),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := l.End(t.Context(), by, "", session); err != nil || len(ended) != 1 {
		t.Errorf("%v, error %v; want it revoked, since the list does not know", ended, err)
	}
	if ended, err := l.End(t.Context(), by, "", session); err != nil || len(ended) != 0 {
		t.Errorf("%v, error %v; want nothing revoked again", ended, err)
	}
}

// It is seen while its subject is signed out, too late to be among those that
// are listed at first.
func TestASessionThatIsSeenDuringTheSignOutIsEndedToo(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	by := see(t, l, "sess_1")
	db.revoking = func() { see(t, l, "sess_2") }
	_, sessions, err := l.EndSubject(t.Context(), by, someIssuer, by.Subject, "")
	if err != nil || sessions != 2 {
		t.Errorf("%d sessions, error %v; want 2", sessions, err)
	}
	for _, id := range []string{"sess_1", "sess_2"} {
		later := &auth.Identity{Issuer: someIssuer, Subject: "user_ada", SessionID: id, IssuedAt: l.config.Now().Add(time.Hour)}
		if l.revoked.Revoked(later) == nil {
			t.Errorf("%s goes on", id)
		}
	}
}
