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
	provider, current, known, err := versions(ctx, db)
	if err != nil || current == known {
		return false, err
	}
	if _, err := provider.Up(ctx); err != nil {
		return false, fmt.Errorf("update the schema: %w", err)
	}
	return current == 0, nil
}

// checkVersion looks for damage, and fails where the schema is not up to date.
func checkVersion(ctx context.Context, db *sql.DB) error {
	_, current, known, err := versions(ctx, db)
	if err == nil && current < known {
		err = fmt.Errorf("its schema is version %d, and has to be updated to %d", current, known)
	}
	return err
}

// versions looks for damage, and returns the version of the schema and the latest that is
// known.
func versions(ctx context.Context, db *sql.DB) (provider *goose.Provider, current, known int64, err error) {
	if err := check(ctx, db); err != nil {
		return nil, 0, 0, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, 0, 0, err
	}
	provider, err = goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("read the migrations: %w", err)
	}
	current, known, err = provider.GetVersions(ctx)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("read the version of the schema: %w", err)
	}
	if current > known {
		err = fmt.Errorf("%w (its schema is version %d, the latest known here %d)", store.ErrNewerSchema, current, known)
	}
	return provider, current, known, err
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
	_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	if unwritable(err) { // then nobody else can change the schema either
		return do()
	}
	if err != nil {
		return fmt.Errorf("wait for another process that opens it: %w", err)
	}
	err = do()
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return errors.Join(err, unlock)
}
