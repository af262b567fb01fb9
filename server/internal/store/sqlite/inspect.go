package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Inspect looks at the file without changing anything, also while a server uses it. One
// that is not there, or is empty, is no error.
//
// Errors: store.ErrNewerSchema, store.ErrDamaged, and those of the file system.
func Inspect(ctx context.Context, path string) (store.Inspection, error) {
	var found store.Inspection
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("look at the database: %w", err)
	}
	if file, err := os.OpenFile(path, os.O_RDWR, 0); err != nil {
		found.ReadOnly = err
	} else if err := file.Close(); err != nil {
		return found, err
	}
	settings := url.Values{"mode": {"ro"}}
	if wal, err := os.Stat(path + "-wal"); err != nil || wal.Size() == 0 {
		settings.Set("immutable", "1") // or SQLite would make files beside it
	}
	db, err := sql.Open("sqlite", fileName(path, settings))
	if err != nil {
		return found, err
	}
	defer func() { _ = db.Close() }()
	found.Exists = true
	found.Version, found.Known, err = inspectVersions(ctx, db)
	return found, explain(err)
}

// inspectVersions is versions for a file that is not written.
func inspectVersions(ctx context.Context, db *sql.DB) (current, known int64, err error) {
	if err := check(ctx, db); err != nil {
		return 0, 0, err
	}
	if known, err = store.LatestMigration(migrations); err != nil {
		return 0, 0, err
	}
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&current); err != nil {
		return 0, known, fmt.Errorf("%w (%w)", store.ErrDamaged, err)
	}
	if current > known {
		err = fmt.Errorf("%w (its schema is version %d, the latest known here %d)", store.ErrNewerSchema, current, known)
	}
	return current, known, err
}
