package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

// errMayNotWrite means that the user lacks a privilege.
var errMayNotWrite = errors.New("the user may not write there: run CREATE SCHEMA ostiary AUTHORIZATION and its name, or GRANT CREATE ON DATABASE")

// Inspect connects once and looks at the database without changing anything. It does not
// wait for one that cannot be reached.
//
// Errors: store.ErrNewerSchema, store.ErrDamaged, and those of the connection, with their
// remedies.
func Inspect(ctx context.Context, url string) (store.Inspection, error) {
	var found store.Inspection
	config, err := parse(url)
	if err != nil {
		return found, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return found, explain(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		found, err = inspect(ctx, tx)
		return err
	})
	return found, explain(err)
}

func inspect(ctx context.Context, tx pgx.Tx) (found store.Inspection, err error) {
	if found.Known, err = store.LatestMigration(migrations); err != nil {
		return found, err
	}
	var theirs time.Time
	var standby, mayWrite bool
	sent := time.Now()
	// A user who may use the schema's tables need not be allowed to make schemas.
	if err := tx.QueryRow(ctx, `SELECT clock_timestamp(), pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
		to_regclass('ostiary.goose_db_version') IS NOT NULL,
		CASE WHEN to_regnamespace('ostiary') IS NULL THEN has_database_privilege(current_database(), 'CREATE')
			ELSE has_schema_privilege('ostiary', 'USAGE') AND (to_regclass('ostiary.state') IS NULL OR has_table_privilege(to_regclass('ostiary.state'), 'UPDATE')) END`,
	).Scan(&theirs, &standby, &found.Exists, &mayWrite); err != nil {
		return found, err
	}
	found.ClockAhead = theirs.Sub(sent.Add(time.Since(sent) / 2))
	switch {
	case standby:
		found.ReadOnly = errReadOnly
	case !mayWrite:
		found.ReadOnly = errMayNotWrite
	}
	if !found.Exists {
		return found, nil
	}
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM ostiary.goose_db_version`).Scan(&found.Version); err != nil {
		return found, err
	}
	if found.Version > found.Known {
		err = fmt.Errorf("%w (its schema is version %d, the latest known here %d)", store.ErrNewerSchema, found.Version, found.Known)
	}
	return found, err
}
