package postgres_test

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/internal/store/storetest"
)

// A log passes on each line that has been logged.
type log struct{ lines chan string }

func newLog() log { return log{make(chan string, 1000)} }

func (l log) Write(line []byte) (int, error) {
	l.lines <- string(line)
	return len(line), nil
}

func (l log) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// wait waits for a line that says something.
func (l log) wait(t *testing.T, text string) {
	t.Helper()
	var all bytes.Buffer
	for {
		select {
		case line := <-l.lines:
			_, _ = io.WriteString(&all, line)
			if strings.Contains(line, text) {
				return
			}
		case <-time.After(time.Minute):
			t.Fatalf("the log does not say %q, but:\n%s", text, &all)
		}
	}
}

func openLogged(t *testing.T, url string) (*postgres.Store, log) {
	t.Helper()
	log := newLog()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, log
}

func tryRevoke(t *testing.T, s store.Store, value string) ([]store.Revocation, error) {
	t.Helper()
	now := time.Now()
	return s.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session", Value: value}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}}, nil)
}

func revoke(t *testing.T, s store.Store, value string) store.Revocation {
	t.Helper()
	saved, err := tryRevoke(t, s, value)
	if err != nil {
		t.Fatal(err)
	}
	return saved[0]
}

// wantHint waits for a hint after which the reader finds the revocation.
func wantHint(t *testing.T, reader store.Store, want store.Revocation) {
	t.Helper()
	for {
		select {
		case <-reader.Hints():
		case <-time.After(time.Minute):
			t.Fatal("there is no hint")
		}
		page, err := reader.Revocations(t.Context(), store.RevocationListing{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 0 && page[len(page)-1].ID == want.ID {
			return
		}
	}
}

const announces = "the database announces what others revoke"

func TestARevocationIsHintedAtToOthers(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.NewDatabase(t)
	one, _ := openLogged(t, url)
	other, log := openLogged(t, url)
	log.wait(t, announces)
	wantHint(t, other, revoke(t, one, "sess_1"))
	// A connection that is lost is replaced, and what was missed meanwhile is found.
	server.Execute(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
	log.wait(t, "the database does not announce")
	missed := revoke(t, one, "sess_2")
	log.wait(t, announces)
	wantHint(t, other, missed)
	wantHint(t, other, revoke(t, one, "sess_3"))
	server.Kill(t)
	server.Start(t)
	log.wait(t, announces)
	wantHint(t, other, revoke(t, one, "sess_4"))
}

func TestConformanceThroughAPooler(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	pooler := server.Pooler(t)
	storetest.Run(t, func(t *testing.T) storetest.Database {
		t.Helper()
		url := pooler.NewDatabase(t)
		return func() store.Store { return open(t, url) }
	})
}

// Behind a pooler LISTEN is accepted, but nothing arrives.
func TestAPoolerIsNoticed(t *testing.T) {
	t.Parallel()
	_, log := openLogged(t, pgtest.Start(t).Pooler(t).NewDatabase(t))
	log.wait(t, "as behind a pooler in transaction mode")
}

func TestManyProcessesOpenTheDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for name, through := range map[string]*pgtest.Server{"directly": server, "through a pooler": server.Pooler(t)} {
		url := through.NewDatabase(t)
		stores := make([]*postgres.Store, 8)
		var wg sync.WaitGroup
		for i := range stores {
			wg.Go(func() {
				var err error
				if stores[i], err = postgres.Open(t.Context(), url, postgres.Options{}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		for _, s := range stores {
			if s == nil {
				continue
			}
			if s.Epoch() != stores[0].Epoch() {
				t.Errorf("%s: epochs %x and %x", name, s.Epoch(), stores[0].Epoch())
			}
			revoke(t, s, "sess_1")
			_ = s.Close()
		}
	}
}
