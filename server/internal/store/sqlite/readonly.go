package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// unwritable reports whether a file could perhaps be read, but not written.
func unwritable(err error) bool {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		switch failure.Code() & 0xff { // the rest says more of the same
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
			return true
		}
	}
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, fs.ErrPermission)
}

// openReadOnly opens a file that cannot be written. It returns why that is, if it cannot be
// read either, or has to be updated.
func (s *Store) openReadOnly(ctx context.Context, why error) error {
	info, err := os.Stat(s.path)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return why
	}
	if s.db != nil {
		_ = s.db.Close()
	}
	s.file, s.wal = info, s.walSize()
	settings := url.Values{"mode": {"ro"}}
	if s.wal == 0 {
		// SQLite would make files beside it to see what others write. Store.present looks
		// whether they do.
		settings.Set("immutable", "1")
	}
	if s.db, err = sql.Open("sqlite", fileName(s.path, settings)); err != nil {
		return errors.Join(why, err)
	}
	s.db.SetMaxOpenConns(maxConnections)
	if err := checkVersion(ctx, s.db); err != nil {
		return errors.Join(why, err)
	}
	s.readOnly = fmt.Errorf("%s cannot be written: free space on its disk, or make it writable, and restart the server (%w)", s.path, why)
	return s.readEpoch(ctx)
}

// walSize returns the size of the file beside the database that has what was not yet
// merged into it.
func (s *Store) walSize() int64 {
	if info, err := os.Stat(s.path + "-wal"); err == nil {
		return info.Size()
	}
	return 0
}

// ReadOnly returns why nothing can be written to the file, or nil.
func (s *Store) ReadOnly() error { return s.readOnly }
