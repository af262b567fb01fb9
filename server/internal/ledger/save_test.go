package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A meddledStore does something else first where sessions are saved, and nothing
// more where that fails; and something else where revocations are. One method may
// fail, after as many calls as are to succeed.
type meddledStore struct {
	store.Store

	meddle   func(context.Context) error
	revoking func()
	fails    string // the name of a method
	succeed  int
	failing  func() // nil for nothing
}

func (s *meddledStore) fail(method string) error {
	if method != s.fails {
		return nil
	}
	if s.succeed--; s.succeed >= 0 {
		return nil
	}
	if s.failing != nil {
		s.failing()
	}
	return errDiskFull
}

func (s *meddledStore) SaveRevocations(ctx context.Context, revocations []store.Revocation) ([]store.Revocation, error) {
	s.revoking()
	if err := s.fail("SaveRevocations"); err != nil {
		return nil, err
	}
	return s.Store.SaveRevocations(ctx, revocations)
}

func (s *meddledStore) SaveSessions(ctx context.Context, seen []store.Session) ([]store.Session, error) {
	if err := errors.Join(s.meddle(ctx), s.fail("SaveSessions")); err != nil {
		return nil, err
	}
	return s.Store.SaveSessions(ctx, seen)
}

func (s *meddledStore) Sessions(ctx context.Context, view store.View, after store.Session, limit int) ([]store.Session, error) {
	if err := s.fail("Sessions"); err != nil {
		return nil, err
	}
	return s.Store.Sessions(ctx, view, after, limit)
}

func (s *meddledStore) Revocations(ctx context.Context, after int64, limit int) ([]store.Revocation, error) {
	if err := s.fail("Revocations"); err != nil {
		return nil, err
	}
	return s.Store.Revocations(ctx, after, limit)
}

func (s *meddledStore) RevokedUntil(ctx context.Context, given store.Revocation) (time.Time, error) {
	if err := s.fail("RevokedUntil"); err != nil {
		return time.Time{}, err
	}
	return s.Store.RevokedUntil(ctx, given)
}

func (s *meddledStore) Prune(ctx context.Context, seenBefore, expiredBy time.Time, limit int) (store.Pruned, error) {
	if err := s.fail("Prune"); err != nil {
		return store.Pruned{}, err
	}
	return s.Store.Prune(ctx, seenBefore, expiredBy, limit)
}

// idleLedger does nothing by itself.
func idleLedger(t *testing.T) (*Ledger, *meddledStore) {
	t.Helper()
	db := &meddledStore{
		Store:    openStore(t, t.TempDir()),
		meddle:   func(context.Context) error { return nil },
		revoking: func() {},
	}
	t.Cleanup(func() { _ = db.Close() })
	return newLedger(db, someConfig()), db
}

var errDiskFull = errors.New("the disk is full")

func TestWhatCannotBeWrittenIsWrittenTheNextTime(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	see(t, l, "sess_1")
	first := see(t, l, "sess_2")
	renewed := *first
	renewed.IssuedAt = first.IssuedAt.Add(time.Second)
	db.meddle = func(context.Context) error { // meanwhile, a call with a newer token
		l.See(&renewed, somePeer, someBrowser)
		return errDiskFull
	}
	for range 3 {
		l.Flush(t.Context())
	}
	if got := sessionsIn(t, l); got != "" {
		t.Fatalf("%s were written to a disk that is full", got)
	}
	db.meddle = func(context.Context) error { return nil }
	l.Flush(t.Context())
	if got := sessionsIn(t, l); got != "sess_2 sess_1" {
		t.Errorf("%q were written; want both", got)
	}
	newest, err := l.store.Sessions(t.Context(), store.View{{ID: "sess_2"}}, store.Session{}, 2)
	if err != nil || len(newest) != 1 || !newest[0].IssuedAt.Equal(renewed.IssuedAt) {
		t.Errorf("%+v, error %v; want its newer token", newest, err)
	}
	db.meddle = func(context.Context) error {
		t.Error("they are written once more")
		return nil
	}
	l.Flush(t.Context())
}

func TestWhatIsPutBackTakesNoRoomFromWhatIsNewer(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newActivity(3)
	note := func(ids ...string) {
		for _, id := range ids {
			s.record(&auth.Identity{Issuer: someIssuer, SessionID: id}, now, somePeer, someBrowser)
		}
	}
	note("a", "b", "c")
	taken, _ := s.take(now)
	note("d", "e") // in the places of a and b
	s.putBack(taken)
	unsaved, dropped := s.take(now)
	if got := ids(unsaved); got != "d e c" || dropped != 2 {
		t.Errorf("%s, %d dropped; want d e c, 2 dropped", got, dropped)
	}
}

// What is written is everybody's.
func TestACallerWhoGoesAwayCancelsNoWrite(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	see(t, l, "sess_1")
	ctx, leave := context.WithCancel(t.Context())
	db.meddle = func(ctx context.Context) error {
		leave()
		return ctx.Err()
	}
	l.Flush(ctx)
	if got := sessionsIn(t, l); got != "sess_1" {
		t.Errorf("%q were written; want sess_1", got)
	}
}

func TestACallerWhoGoesAwayDoesNotWaitForAStoreThatHangs(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	see(t, l, "sess_1")
	hangs, goOn := make(chan struct{}), make(chan struct{})
	db.meddle = func(context.Context) error {
		close(hangs)
		<-goOn
		return nil
	}
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		l.Flush(t.Context())
	}()
	<-hangs
	ctx, leave := context.WithCancel(t.Context())
	leave()
	l.Flush(ctx) // or else waits for good
	close(goOn)
	<-saved
}

// The list of what is revoked rounds up; a restart must not undo that.
func TestTheStoreRevokesNoLessThanTheList(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	before := time.Unix(1_700_000_000, 1)
	o, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Before: before}})
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(1_700_000_000, 1000); !o.Before.Equal(want) {
		t.Errorf("revoked before %v; want %v", o.Before, want)
	}
	o, err = l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}})
	if err != nil || !o.Before.IsZero() {
		t.Errorf("a session for good became one before %v, error %v", o.Before, err)
	}
}

// What another process has revoked is not refused here before it is read, so
// ending it here must not report that it has ended.
func TestASessionIsNotEndedBeforeTheListKnows(t *testing.T) {
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
