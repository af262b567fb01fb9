package ledger

import (
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

func TestWhatIsRevokedIsReadInFull(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, BatchSize, BatchSize + 1} {
		l, _ := idleLedger(t)
		rows := make([]store.Revocation, n)
		for i := range rows {
			rows[i] = store.Revocation{Kind: "session", Issuer: someIssuer, Value: fmt.Sprint("sess_", i), ExpiresAt: time.Now().Add(time.Hour)}
		}
		if _, err := l.store.SaveRevocations(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		if err := l.readRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if !l.Revoked(store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i)}) {
				t.Fatalf("%d of %d is not revoked", i, n)
			}
		}
	}
}

// A row that means nothing hides none of its neighbours.
func TestARowThatMeansNothingIsSkipped(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	expires := time.Now().Add(time.Hour)
	_, err := l.store.SaveRevocations(t.Context(), []store.Revocation{
		{Kind: "session", Issuer: someIssuer, Value: "before", ExpiresAt: expires},
		{Kind: "nonsense", Issuer: someIssuer, Value: "x", ExpiresAt: expires},
		{Kind: "session", Issuer: someIssuer, ExpiresAt: expires},
		{Kind: "session", Issuer: someIssuer, Value: "after", ExpiresAt: expires},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.readRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"before", "after"} {
		if !l.Revoked(store.Session{Issuer: someIssuer, ID: id}) {
			t.Errorf("%s is not revoked", id)
		}
	}
}
