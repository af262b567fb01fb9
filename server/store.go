package server

import (
	"context"
	"time"

	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/settings"
)

// storeConfig says which database the settings name.
func storeConfig(c settings.Config) ledger.StoreConfig {
	return ledger.StoreConfig{
		URL: c.DatabaseURL, DataDir: c.DataDir, MaxConnections: c.DatabaseMaxConnections, Timeout: c.DatabaseTimeout, Log: c.Logger,
	}
}

// Backup copies the SQLite database of the settings to a file, as it is at one instant. A server
// may use it meanwhile. The file must not exist, and is for its owner alone. For a database of
// PostgreSQL the error says what to use instead.
func Backup(ctx context.Context, c settings.Config, file string) error {
	return storeConfig(c.WithDefaults()).Backup(ctx, file)
}

// Restored is what Restore has done.
type Restored struct {
	// Sessions and Revocations are how many are in the database now.
	Sessions, Revocations int64
	// Lost is how many revocations were made after the backup. A server that runs goes on
	// refusing what they revoke, and gives them back to the database.
	Lost int64
}

// Restore replaces the SQLite database of the settings by a file that Backup made. It replaces
// one that exists only if replace says so. A server may use it meanwhile, and notices within a
// second.
func Restore(ctx context.Context, c settings.Config, file string, replace bool) (Restored, error) {
	restored, err := storeConfig(c.WithDefaults()).Restore(ctx, file, replace)
	return Restored(restored), err
}

// StoreState is what can be learned of a database without changing it.
type StoreState struct {
	// File is the path of an SQLite database; "" for PostgreSQL.
	File string
	// Exists reports whether there is a database with our tables. Otherwise New makes it.
	Exists bool
	// Version is that of its schema, and Known the latest that this program knows. New brings
	// an older one up to date.
	Version, Known int64
	// ReadOnly says why nothing can be written; nil where it can be.
	ReadOnly error
	// ClockAhead is how far PostgreSQL's clock is ahead of this machine's.
	ClockAhead time.Duration
}

// InspectStore looks at the database of the settings, and changes nothing. A server may use it
// meanwhile. One that is not there yet is no error; one that cannot be reached is, at once. No
// error repeats a password.
func InspectStore(ctx context.Context, c settings.Config) (StoreState, error) {
	file, found, err := storeConfig(c.WithDefaults()).Inspect(ctx)
	return StoreState{
		File: file, Exists: found.Exists, Version: found.Version, Known: found.Known, ReadOnly: found.ReadOnly, ClockAhead: found.ClockAhead,
	}, err
}

// MakeDataDir makes the directory that a Config.DataDir names, for its owner
// alone, where it is missing. New does that by itself. Its contents belong to
// this machine, so they are hidden from git.
func MakeDataDir(dir string) error { return ledger.MakeDataDir(dir) }
