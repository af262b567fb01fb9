package server

import (
	"context"

	"github.com/ostiary/ostiary/server/internal/ledger"
)

func (c Config) store() ledger.StoreConfig {
	return ledger.StoreConfig{
		URL: c.DatabaseURL, DataDir: c.DataDir, MaxConnections: c.DatabaseMaxConnections, Timeout: c.DatabaseTimeout, Log: c.Logger,
	}
}

// Backup copies the SQLite database that DataDir or DatabaseURL names to a file, as it is at
// one instant. A server may use it meanwhile. The file must not exist, and is for its owner
// alone. For a database of PostgreSQL the error says what to use instead.
func (c Config) Backup(ctx context.Context, file string) error {
	return c.WithDefaults().store().Backup(ctx, file)
}

// Restored is what Restore has done.
type Restored struct {
	// Sessions and Revocations are how many are in the database now.
	Sessions, Revocations int64
	// Lost is how many revocations were made after the backup. A server that runs goes on
	// refusing what they revoke, and gives them back to the database.
	Lost int64
}

// Restore replaces the SQLite database that DataDir or DatabaseURL names by a file that
// Backup made. It replaces one that exists only if replace says so. A server may use it
// meanwhile, and notices within a second.
func (c Config) Restore(ctx context.Context, file string, replace bool) (Restored, error) {
	restored, err := c.WithDefaults().store().Restore(ctx, file, replace)
	return Restored(restored), err
}
