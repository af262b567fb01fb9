package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

func TestInspectChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ostiary.db")
	inspect := func() store.Inspection {
		t.Helper()
		found, err := sqlite.Inspect(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	change := func(query string) {
		t.Helper()
		execute(t, path, func(db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), query)
			return err
		})
	}
	if found := inspect(); found.Exists {
		t.Errorf("%+v of no file", found)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made")
	}
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if found := inspect(); !found.Exists || found.Version != found.Known || found.Known < 8 || found.ReadOnly != nil {
		t.Errorf("%+v beside one that uses it", found)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	known := inspect().Known

	change(`DELETE FROM goose_db_version WHERE version_id > 3`)
	if found := inspect(); found.Version != 3 || found.Known != known {
		t.Errorf("%+v of version 3", found)
	}
	change(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	if _, err := sqlite.Inspect(t.Context(), path); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("%v of version 999", err)
	}
	change(`DROP TABLE goose_db_version`)
	if _, err := sqlite.Inspect(t.Context(), path); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v without a version", err)
	}
}
