package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
	"github.com/ostiary/ostiary/server/internal/store/storetest"
)

// TestMain also is the writer that TestAKilledProcess… kills.
func TestMain(m *testing.M) {
	if path := os.Getenv(writerOf); path != "" {
		writeUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
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
		// A name that a URL would take apart.
		path := filepath.Join(t.TempDir(), "a folder", "50% of #1?.db")
		return func() store.Store { return open(t, path) }
	})
}
