package store

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Inspection is what can be learned of a database without changing anything.
type Inspection struct {
	// Exists reports whether there is a database with our tables. Otherwise a server makes it.
	Exists bool
	// Version is that of its schema, and Known the latest that this program knows. A server
	// that starts brings an older one up to date.
	Version, Known int64
	// ReadOnly says why nothing can be written; nil where it can be.
	ReadOnly error
	// ClockAhead is how far the database's clock is ahead of this machine's; 0 where it has none
	// of its own.
	ClockAhead time.Duration
}

// LatestMigration returns the version of the last file in the folder migrations.
func LatestMigration(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("there are no migrations: %w", err)
	}
	number, _, _ := strings.Cut(path.Base(slices.Max(names)), "_")
	return strconv.ParseInt(number, 10, 64)
}
