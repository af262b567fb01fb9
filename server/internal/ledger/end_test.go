package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

var byOtto = store.Origin{Kind: store.OriginCaller, Caller: store.Caller{Issuer: someIssuer, Subject: "user_otto"}}

// end ends sessions, and returns the new revocations.
func end(ctx context.Context, l *Ledger, sessions ...store.Session) ([]store.Revocation, error) {
	ends, _, err := l.NotEnded(ctx, "", sessions...)
	if err != nil {
		return nil, err
	}
	return l.Revoke(ctx, byOtto, nil, ends...)
}

// sessionsOf saves n sessions of a subject.
func sessionsOf(t *testing.T, l *Ledger, subject string, n int) {
	t.Helper()
	sessions := make([]store.Session, n)
	for i := range sessions {
		sessions[i] = store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i), Subject: subject, Organization: "org_acme", FirstSeen: time.Unix(int64(i/7), 0), LastSeen: l.config.Now()}
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
			revoked, ended, err := l.EndSubject(t.Context(), byOtto, someIssuer, "user_ada", "left", nil, nil)
			if err != nil || ended != n || revoked.Target.Kind != "subject" || revoked.Target.Value != "user_ada" || revoked.Cause != "left" {
				t.Errorf("%+v, %d sessions, error %v; want %d", revoked, ended, err, n)
			}
			for i := range n {
				if !l.Revoked(store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i), Subject: "user_ada", Token: store.Token{IssuedAt: l.config.Now().Add(time.Hour)}}) {
					t.Fatalf("session %d goes on", i)
				}
			}
			if l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ben", Token: store.Token{IssuedAt: l.config.Now()}}) {
				t.Error("somebody else's session is ended")
			}
			kept, err := l.store.Revocations(t.Context(), store.RevocationListing{}, 10*BatchSize)
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
	session := store.Session{Issuer: someIssuer, ID: "sess_1", Subject: "user_ada"}
	_, err := l.store.SaveRevocations(t.Context(), []store.Revocation{{
		Target: store.Target{Kind: "session", Issuer: someIssuer, Value: "sess_1"}, ExpiresAt: l.config.Now().Add(retention),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := end(t.Context(), l, session); err != nil || len(ended) != 1 {
		t.Errorf("%v, error %v; want it revoked, since the list does not know", ended, err)
	}
	if ended, err := end(t.Context(), l, session); err != nil || len(ended) != 0 {
		t.Errorf("%v, error %v; want nothing revoked again", ended, err)
	}
}

// It is seen while the subject's tokens are revoked.
func TestASessionThatIsSeenDuringTheSignOutIsEndedToo(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	by := see(t, l, "sess_1")
	db.revoking = func() { see(t, l, "sess_2") }
	_, sessions, err := l.EndSubject(t.Context(), byOtto, someIssuer, by.Subject, "", nil, nil)
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

// A call that failed was not answered: the same call does the rest. The tokens that the
// subject has are revoked by the first.
func TestASignOutThatFailedHalfwayIsDoneByItsRetry(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	const n = 2*BatchSize + 1
	sessionsOf(t, l, "user_ada", n)
	before := l.config.Now()
	call := store.Call{Issuer: someIssuer, Subject: "user_otto", Procedure: "/a/B", RequestID: "1"}
	signOut := func() (ended int, err error) {
		_, ended, err = l.EndSubject(t.Context(), byOtto, someIssuer, "user_ada", "", &store.Answer{Call: call, Hash: []byte("hash")},
			func(everything store.Revocation, ended int) ([]byte, error) {
				return fmt.Appendf(nil, "%s, %d sessions", everything.Target.Value, ended), nil
			})
		return ended, err
	}
	db.fails, db.succeed = "SaveRevocations", 2 // the subject, and a batch
	if ended, err := signOut(); connect.CodeOf(err) != connect.CodeUnavailable || ended != BatchSize {
		t.Errorf("%d sessions, error %v; want %d, and unavailable", ended, err, BatchSize)
	}
	now := store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada", Token: store.Token{IssuedAt: before}}
	if !l.Revoked(now) {
		t.Error("the tokens of the subject are not revoked")
	}
	if _, answer, err := l.Answer(t.Context(), call); answer != nil || err != nil {
		t.Errorf("the answer %q is kept, error %v; want none", answer, err)
	}
	db.fails = ""
	if ended, err := signOut(); err != nil || ended != n-BatchSize {
		t.Errorf("the retry: %d sessions, error %v; want %d", ended, err, n-BatchSize)
	}
	later := now
	later.Token.IssuedAt = l.config.Now().Add(time.Hour)
	for i := range n {
		if later.ID = fmt.Sprint("sess_", i); !l.Revoked(later) {
			t.Fatalf("session %d goes on", i)
		}
	}
	if _, err := signOut(); !errors.Is(err, store.ErrAnswered) {
		t.Errorf("a call that was answered: %v; want %v", err, store.ErrAnswered)
	}
	hash, answer, err := l.Answer(t.Context(), call)
	if want := fmt.Sprintf("user_ada, %d sessions", n-BatchSize); err != nil || string(hash) != "hash" || string(answer) != want {
		t.Errorf("the answer is %q, %v; want %q", answer, err, want)
	}
}

// Otherwise anybody could fill the disk with calls that do nothing.
func TestNoAnswerIsKeptWhereNothingIsRevoked(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	call := store.Call{RequestID: "1"}
	saved, err := l.Revoke(t.Context(), byOtto, &store.Answer{Call: call, Encode: func([]store.Revocation) ([]byte, error) { return []byte("answer"), nil }})
	if err != nil || saved != nil {
		t.Errorf("%v, %v; want nothing", saved, err)
	}
	if _, answer, err := l.Answer(t.Context(), call); answer != nil || err != nil {
		t.Errorf("the answer %q is kept, error %v; want none", answer, err)
	}
}

// Each batch is one write: one that takes too long takes nothing else with it.
func TestASubjectIsSignedOutInBatches(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	sessionsOf(t, l, "user_ada", BatchSize+1)
	batches := &batchStore{Store: l.store}
	l.store = batches
	if _, ended, err := l.EndSubject(t.Context(), byOtto, someIssuer, "user_ada", "", nil, nil); err != nil || ended != BatchSize+1 {
		t.Fatalf("%d sessions, error %v", ended, err)
	}
	if want := []int{1, BatchSize, 1}; !slices.Equal(batches.sizes, want) {
		t.Errorf("writes of %v revocations; want %v", batches.sizes, want)
	}
}

// A batchStore records how many revocations are saved at once.
type batchStore struct {
	store.Store

	sizes []int
}

func (s *batchStore) SaveRevocations(ctx context.Context, revocations []store.Revocation, answer *store.Answer, signOuts ...store.SignOut) ([]store.Revocation, error) {
	s.sizes = append(s.sizes, len(revocations))
	return s.Store.SaveRevocations(ctx, revocations, answer, signOuts...)
}

// An answer is kept before the list has what was revoked; its receiver must find that
// in force.
func TestAnAnswerIsGivenOnceItsRevocationsAreInForce(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	call := store.Call{RequestID: "1"}
	if hash, answer, err := l.Answer(t.Context(), call); hash != nil || answer != nil || err != nil {
		t.Errorf("%q, %q, %v; want no answer", hash, answer, err)
	}
	_, err := l.store.SaveRevocations(t.Context(), []store.Revocation{{ // as another process does
		Target: store.Target{Kind: "session", Issuer: someIssuer, Value: "sess_1"}, ExpiresAt: l.config.Now().Add(retention),
	}}, &store.Answer{Call: call, Hash: []byte("hash"), Encode: func([]store.Revocation) ([]byte, error) { return []byte("answer"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	db.fails = "Changes"
	if _, answer, err := l.Answer(t.Context(), call); answer != nil || connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("%q, %v; want unavailable", answer, err)
	}
	db.fails = ""
	if _, answer, err := l.Answer(t.Context(), call); string(answer) != "answer" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if !l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_1"}) {
		t.Error("the session goes on")
	}
}
