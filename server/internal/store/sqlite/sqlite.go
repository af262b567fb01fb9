// Package sqlite keeps a store in one file, with no server to run beside.
//
//	db, err := sqlite.Open(ctx, ".ostiary/ostiary.db")
//	defer db.Close()
//
// The file is in WAL mode, so that readers never wait for the writer, and every
// commit is synced to the disk before it returns (synchronous=FULL): SQLite's
// default in WAL mode would let a loss of power undo the last revocations.
// Several processes may share the file on one machine, never over a network
// file system.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// busyTimeout is how long one process waits for another one's write.
	busyTimeout = 10 * time.Second
	// maxConnections bounds how much is read at once. There is one writer in any
	// case.
	maxConnections = 4
)

// A Store is a store.Store in an SQLite file. Make one with [Open].
type Store struct {
	path    string
	file    fs.FileInfo // of the path, when it was opened
	wal     int64       // the size of the log beside it, if it is readOnly
	created bool
	// readOnly is why nothing can be written, or nil.
	readOnly error
	db       *sql.DB
	epoch    atomic.Pointer[[16]byte]
}

var _ store.Store = (*Store)(nil)

// Open opens the file, creates it and its folder where they are missing, for
// their owner alone, and brings its schema up to date. Other processes that open
// it at the same time wait for that. If the disk is full or read-only, a database
// that is up to date is opened to be read alone.
//
// Errors: store.ErrNewerSchema, store.ErrDamaged, and those of the file system.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create the database: %w", err)
	}
	s := &Store{path: path}
	err := locked(ctx, path, func() error { return s.open(ctx) })
	if unwritable(err) {
		err = s.openReadOnly(ctx, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, errors.Join(explain(err), s.Close()))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.file, err = os.Stat(s.path); err != nil {
		return err
	}
	if s.db, err = connect(s.path); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(maxConnections)
	if s.created, err = migrate(ctx, s.db); err != nil {
		return err
	}
	return s.readEpoch(ctx)
}

// errManyEpochs means that it cannot be told from others.
var errManyEpochs = fmt.Errorf("its table epochs has more than one row, as after rows of another database were added to it (%w)", store.ErrDamaged)

// readEpoch reads which database it is.
func (s *Store) readEpoch(ctx context.Context) error {
	var kept []byte
	var rows int
	if err := s.db.QueryRowContext(ctx, `SELECT (SELECT epoch FROM epochs), (SELECT COUNT(*) FROM epochs)`).Scan(&kept, &rows); err != nil {
		return fmt.Errorf("read the epoch: %w", err)
	}
	if rows > 1 {
		return errManyEpochs
	}
	if len(kept) != len(s.Epoch()) {
		return fmt.Errorf("%w (its epoch has %d bytes)", store.ErrDamaged, len(kept))
	}
	epoch := [16]byte(kept)
	s.epoch.Store(&epoch)
	return nil
}

// Epoch implements store.Store.
func (s *Store) Epoch() [16]byte {
	if epoch := s.epoch.Load(); epoch != nil {
		return *epoch
	}
	return [16]byte{}
}

// Created reports whether Open has made the database.
func (s *Store) Created() bool { return s.created }

// present returns an error if the file is not where it was: what is written to the one
// that is open would be lost when the process ends.
func (s *Store) present() error {
	info, err := os.Stat(s.path)
	switch {
	case err != nil || !os.SameFile(info, s.file):
		return fmt.Errorf("%w: put %s back, or restart the server, which then knows only what is in the file", store.ErrGone, s.path)
	case s.readOnly != nil && (!info.ModTime().Equal(s.file.ModTime()) || s.walSize() != s.wal):
		return fmt.Errorf("another process writes to %s, whose disk was full or read-only: restart this server", s.path)
	default:
		return nil
	}
}

// Concurrency implements store.Store.
func (*Store) Concurrency() int { return maxConnections }

// Hints implements store.Store. SQLite tells nothing.
func (*Store) Hints() <-chan struct{} { return nil }

// Close implements store.Store.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// create makes the file before SQLite would, readable by its owner alone.
// SQLite gives its other files the same mode.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

func connect(path string) (*sql.DB, error) {
	return sql.Open("sqlite", fileName(path, url.Values{
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		// A transaction that reads first and writes later would not wait for
		// another writer, but fail.
		"_txlock": {"immediate"},
	}))
}

// fileName names a file and the settings of each connection to it.
func fileName(path string, settings url.Values) string {
	query := url.Values{"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)}}
	maps.Copy(query, settings)
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	return name.String()
}

// transact runs do in a transaction that is committed when do succeeds.
func (s *Store) transact(ctx context.Context, do func(*sql.Tx) error) error {
	if s.readOnly != nil {
		return s.readOnly
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing, once it is committed
	if err := do(tx); err != nil {
		return explain(err)
	}
	if err := tx.Commit(); err != nil {
		return explain(err)
	}
	return s.present()
}

// explain finds out what kind of failure an error of SQLite is.
func explain(err error) error {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		switch failure.Code() & 0xff { // the rest says more of the same
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("%w (%w)", store.ErrDamaged, err)
		}
		if strings.Contains(failure.Error(), "epochs_has_one_row") { // which cannot be made
			return fmt.Errorf("%w (%w)", errManyEpochs, err)
		}
	}
	return err
}
