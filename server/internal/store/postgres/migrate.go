package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/ostiary/ostiary/server/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock of the process that updates the schema.
const migrationLock int64 = 0x6f73746961727901

// migrate brings the schema up to date, while no other process does. A transaction holds
// the lock, on a connection of its own, since behind a pooler nothing else is sure to stay
// on one connection; goose's own lock of a session would be left behind there. It
// reports whether there was no schema before.
func migrate(ctx context.Context, config *pgx.ConnConfig) (created bool, err error) {
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	locked, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = locked.Rollback() }()
	// Longer than an update takes, so that only the lock of a process that is gone ends.
	if _, err := locked.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = '10min'`); err != nil {
		return false, err
	}
	if _, err := locked.ExecContext(ctx, lock, migrationLock); err != nil {
		return false, fmt.Errorf("wait for another process that opens it: %w", err)
	}
	var exists bool
	// IF NOT EXISTS would ask for a privilege that a user of the schema need not have.
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'ostiary')`).Scan(&exists); err != nil {
		return false, err
	}
	if !exists {
		if _, err := db.ExecContext(ctx, `CREATE SCHEMA ostiary`); err != nil {
			return false, err
		}
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return false, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithTableName("ostiary.goose_db_version"), goose.WithDisableGlobalRegistry(true))
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
	if current == known {
		return false, nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return false, fmt.Errorf("update the schema: %w", err)
	}
	return current == 0, nil
}
