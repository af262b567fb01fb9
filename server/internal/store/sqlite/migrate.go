package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/ostiary/ostiary/server/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate looks for damage and brings the schema up to date. It reports whether there was
// none before.
func migrate(ctx context.Context, db *sql.DB) (created bool, err error) {
	if err := check(ctx, db); err != nil {
		return false, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return false, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return false, fmt.Errorf("read the migrations: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read the version of the schema: %w", err)
	}
	if current > known {
		return false, fmt.Errorf("%w (its schema is version %d, the latest known here %d)", store.ErrNewerSchema, current, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return false, fmt.Errorf("update the schema: %w", err)
	}
	return current == 0, nil
}

// check reads the whole database once: one that lost a page would otherwise
// serve without the revocations that were on it.
func check(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w (%s)", store.ErrDamaged, verdict)
	}
	return nil
}

// locked runs do while no other process does the same for this path. The lock
// is a database of its own that is never written to: SQLite locks files alike
// on every system, and the lock of a process that is killed goes with it.
func locked(ctx context.Context, path string, do func() error) error {
	lockPath := path + ".lock"
	if err := create(lockPath); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", fileName(lockPath, nil))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return fmt.Errorf("wait for another process that opens it: %w", err)
	}
	err = do()
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return errors.Join(err, unlock)
}
