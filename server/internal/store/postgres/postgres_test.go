package postgres_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Database {
		t.Helper()
		url := pgtest.NewDatabase(t)
		return func() store.Store { return open(t, url) }
	})
}

func TestItServesAsManyCallsAtOnceAsItHasConnections(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	for given, want := range map[int]int{0: postgres.DefaultMaxConnections, 3: 3} {
		s, err := postgres.Open(t.Context(), url, postgres.Options{MaxConnections: given})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Concurrency(); got != want {
			t.Errorf("%d calls at once; want %d", got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
