package postgres_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
)

// either returns the URL of a database on the server of the two that takes writes.
func either(t *testing.T, database string, servers ...*pgtest.Server) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.Socket())
	}
	query.Set("host", strings.Join(hosts, ","))
	query.Set("target_session_attrs", "read-write")
	u.RawQuery = query.Encode()
	return u.String()
}

// recovers waits until the store takes revocations again.
func recovers(t *testing.T, s store.Store) store.Revocation {
	t.Helper()
	for {
		saved, err := tryRevoke(t, s, "after")
		if err == nil {
			return saved[0]
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestAStandbyTakesOverWithoutARestart(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	database := primary.NewDatabase(t)
	standby := primary.Standby(t, pgserver.Synchronous)
	s, log := openLogged(t, either(t, database, standby, primary))
	log.wait(t, announces)
	epoch := s.Epoch()

	// Revoke without end, until the primary is gone.
	var acknowledged []store.Revocation
	var wg sync.WaitGroup
	enough := make(chan struct{})
	wg.Go(func() {
		for {
			saved, err := tryRevoke(t, s, "before")
			if err != nil {
				return
			}
			if acknowledged = append(acknowledged, saved...); len(acknowledged) == 20 {
				close(enough)
			}
		}
	})
	<-enough
	primary.Kill(t)
	wg.Wait()
	standby.Promote(t)
	promoted := time.Now()
	after := recovers(t, s)
	if took := time.Since(promoted); took > 5*time.Second {
		t.Errorf("it took %v to find the promoted standby", took)
	}
	kept, err := s.Revocations(t.Context(), store.RevocationListing{}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[[16]byte]bool)
	for _, r := range kept {
		ids[r.ID] = true
	}
	for _, r := range append(acknowledged, after) {
		if !ids[r.ID] {
			t.Errorf("revocation %d was acknowledged, and is lost", r.Sequence)
		}
	}
	if s.Epoch() != epoch {
		t.Error("the epoch has changed")
	}
	log.wait(t, announces)
	wantHint(t, s, revoke(t, s, "sess_1"))
}

// What a standby had not received is lost with the primary. A reader that had read it
// is told, also once the numbers are given again.
func TestAStandbyThatIsBehindIsNoticed(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	database := primary.NewDatabase(t)
	s := open(t, database)
	kept := revoke(t, s, "kept")
	standby := primary.Standby(t, pgserver.Asynchronous)
	s = open(t, either(t, database, primary, standby))
	standby.Detach(t)
	lost := revoke(t, s, "lost")
	primary.Kill(t)
	standby.Promote(t)
	wantNotGiven := func(when string) {
		t.Helper()
		if _, err := s.Revocations(t.Context(), store.RevocationListing{After: lost}, 10); !errors.Is(err, store.ErrNotGiven) {
			t.Errorf("after what was lost, %s: %v; want ErrNotGiven", when, err)
		}
	}
	s.Reconnect(t)
	wantNotGiven("before its number is given again")
	again := recovers(t, s)
	if again.Sequence != lost.Sequence {
		t.Fatalf("sequence %d; want %d: nothing was lost, and the test shows nothing", again.Sequence, lost.Sequence)
	}
	wantNotGiven("when its number is given again")
	page, err := s.Revocations(t.Context(), store.RevocationListing{After: kept}, 10)
	if err != nil || len(page) != 1 || page[0].ID != again.ID {
		t.Errorf("after what was kept: %+v, %v; want %+v", page, err, again)
	}
}

// A standby can be read. It refuses to revoke, and the error says what to do.
func TestAStandbyRefusesToRevoke(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	database := primary.NewDatabase(t)
	kept := revoke(t, open(t, database), "sess_1")
	standby := primary.Standby(t, pgserver.Synchronous)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	s, log := openLogged(t, standby.URL(strings.TrimPrefix(u.Path, "/")))
	log.wait(t, "the database does not announce")
	page, err := s.Revocations(t.Context(), store.RevocationListing{}, 10)
	if err != nil || len(page) != 1 || page[0].ID != kept.ID {
		t.Errorf("%+v, %v; want %+v", page, err, kept)
	}
	if page, err := s.Changes(t.Context(), store.Revocation{}, 10); err != nil || len(page) != 1 {
		t.Errorf("changes: %+v, %v; want one", page, err)
	}
	if page, err := s.Changes(t.Context(), kept, 10); !errors.Is(err, store.ErrStandby) {
		t.Errorf("no more changes: %+v, %v; want ErrStandby", page, err)
	}
	_, err = s.SaveRevocations(t.Context(), []store.Revocation{kept}, nil)
	if err == nil || !strings.Contains(err.Error(), "the database is read-only") || !strings.Contains(err.Error(), "target_session_attrs=read-write") {
		t.Errorf("%v; want an error with the remedy", err)
	}
	standby.Promote(t)
	recovers(t, s)
}

// A replica that hangs within a transaction, or is cut off, must not keep all others from
// revoking.
func TestAReplicaThatHangsIsCutOff(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	hanging, err := postgres.Open(t.Context(), database, postgres.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hanging.Close() }()
	other := open(t, database)
	locked, release := make(chan struct{}), make(chan struct{})
	answer := &store.Answer{Hash: []byte{1}, Encode: func([]store.Revocation) ([]byte, error) {
		close(locked)
		<-release
		return []byte{1}, nil
	}}
	failed := make(chan error)
	go func() {
		_, err := hanging.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session"}, ExpiresAt: time.Now().Add(time.Hour)}}, answer)
		failed <- err
	}()
	<-locked
	revoke(t, other, "sess_1")
	close(release)
	if err := <-failed; err == nil {
		t.Error("the one that hung was acknowledged")
	}
	if kept, err := other.Revocations(t.Context(), store.RevocationListing{}, 10); err != nil || len(kept) != 1 {
		t.Errorf("%d revocations are kept, error %v; want one", len(kept), err)
	}
}
