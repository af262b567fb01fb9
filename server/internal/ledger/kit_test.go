package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func someConfig() Config {
	return Config{
		Retention:   retention,
		MaxLifetime: 24*time.Hour + 10*time.Second,
		MaxIDBytes:  8 << 10,
		Skews:       map[string]time.Duration{someIssuer: 5 * time.Second},
		Change:      someChange,
		Now:         time.Now,
		Log:         slog.New(slog.DiscardHandler),
	}
}

// someChange is a change that names its revocation.
func someChange(r store.Revocation) *feedv1.Change {
	return &feedv1.Change{Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{RevocationId: r.Target.Value, Target: &revocationv1.Target{}}}}
}

func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	db, err := OpenStore(t.Context(), StoreConfig{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t *testing.T, dir string, config Config) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), openStore(t, dir), config)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLedger(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func see(t *testing.T, l *Ledger, id string) *auth.Identity {
	t.Helper()
	identity := &auth.Identity{
		Issuer: someIssuer, Subject: "user_ada", SessionID: id, ClientID: "client_1", Organization: auth.Organization{ID: "org_acme"},
		IssuedAt: l.config.Now().Truncate(time.Second), ExpiresAt: l.config.Now().Add(time.Minute),
	}
	l.See(identity, somePeer, someBrowser)
	return identity
}

func sessionsIn(t *testing.T, l *Ledger) string {
	t.Helper()
	all, err := l.store.Sessions(t.Context(), store.List(store.Everything()), 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids(all)
}

// A meddledStore does something else first where sessions are saved, and nothing
// more where that fails; and something else where revocations are. One method may
// fail, after as many calls as are to succeed.
type meddledStore struct {
	store.Store

	meddle   func(context.Context) error
	revoking func()
	fails    string // the name of a method
	succeed  int
	failures int
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
	s.failures++
	return fmt.Errorf("%w, for the %d. time", errDiskFull, s.failures)
}

func (s *meddledStore) SaveRevocations(ctx context.Context, revocations []store.Revocation, answer *store.Answer, signOuts ...store.SignOut) ([]store.Revocation, error) {
	s.revoking()
	if err := s.fail("SaveRevocations"); err != nil {
		return nil, err
	}
	return s.Store.SaveRevocations(ctx, revocations, answer, signOuts...)
}

func (s *meddledStore) SaveSessions(ctx context.Context, seen []store.Session) ([]store.Session, error) {
	if err := errors.Join(s.meddle(ctx), s.fail("SaveSessions")); err != nil {
		return nil, err
	}
	return s.Store.SaveSessions(ctx, seen)
}

func (s *meddledStore) Sessions(ctx context.Context, listing store.Listing, limit int) ([]store.Session, error) {
	if err := s.fail("Sessions"); err != nil {
		return nil, err
	}
	return s.Store.Sessions(ctx, listing, limit)
}

func (s *meddledStore) SessionNames(ctx context.Context, listing store.Listing, limit int) ([]store.Session, error) {
	if err := s.fail("SessionNames"); err != nil {
		return nil, err
	}
	return s.Store.SessionNames(ctx, listing, limit)
}

func (s *meddledStore) Revocations(ctx context.Context, listing store.RevocationListing, limit int) ([]store.Revocation, error) {
	if err := s.fail("Revocations"); err != nil {
		return nil, err
	}
	return s.Store.Revocations(ctx, listing, limit)
}

func (s *meddledStore) Changes(ctx context.Context, after store.Revocation, limit int) ([]store.Revocation, error) {
	if err := s.fail("Changes"); err != nil {
		return nil, err
	}
	return s.Store.Changes(ctx, after, limit)
}

func (s *meddledStore) Strongest(ctx context.Context, targets []store.Target, now time.Time) ([]store.Revocation, error) {
	if err := s.fail("Strongest"); err != nil {
		return nil, err
	}
	return s.Store.Strongest(ctx, targets, now)
}

func (s *meddledStore) Expired(ctx context.Context, after store.Session, expiredBy time.Time, limit int) ([]store.Session, error) {
	if err := s.fail("Expired"); err != nil {
		return nil, err
	}
	return s.Store.Expired(ctx, after, expiredBy, limit)
}

func (s *meddledStore) Answer(ctx context.Context, call store.Call) (hash, answer []byte, err error) {
	if err := s.fail("Answer"); err != nil {
		return nil, nil, err
	}
	return s.Store.Answer(ctx, call)
}

func (s *meddledStore) Readers(ctx context.Context) ([]store.Reader, error) {
	if err := s.fail("Readers"); err != nil {
		return nil, err
	}
	return s.Store.Readers(ctx)
}

func (s *meddledStore) Probe(ctx context.Context) error {
	return errors.Join(s.fail("Probe"), s.Store.Probe(ctx))
}

func (s *meddledStore) Prune(ctx context.Context, age store.Age, limit int) (store.Pruned, error) {
	if err := s.fail("Prune"); err != nil {
		return store.Pruned{}, err
	}
	return s.Store.Prune(ctx, age, limit)
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

// logged has the ledger write to a buffer.
func logged(l *Ledger) *bytes.Buffer {
	log := new(bytes.Buffer)
	l.config.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return log
}
