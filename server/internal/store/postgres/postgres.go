// Package postgres keeps a store in a PostgreSQL database, which several servers may share.
//
//	db, err := postgres.Open(ctx, "postgres://ostiary@db.example.com/ostiary", postgres.Options{})
//	defer db.Close()
//
// Everything is in the schema "ostiary", so the database may hold other things too. It
// may be reached through a pooler that gives a connection to another client after each
// transaction, as pgbouncer does: nothing depends on a session but LISTEN, without which
// changes are still found by looking.
package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ostiary/ostiary/server/internal/store"
)

// The defaults of Options.
const (
	DefaultMaxConnections = 10
	DefaultTimeout        = 10 * time.Second
	DefaultPatience       = 30 * time.Second
)

// Options say how the database is used. The zero value of each field is its default.
type Options struct {
	// MaxConnections bounds the connections of this process, besides the one that
	// listens. Default: DefaultMaxConnections.
	MaxConnections int
	// Timeout is how long a call may take, including the wait for a connection. The
	// database ends a write then too, even if it can no longer reach this process.
	// Default: DefaultTimeout.
	Timeout time.Duration
	// Patience is how long Open waits for a database that cannot be reached. Default:
	// DefaultPatience.
	Patience time.Duration
	// Log receives what goes wrong in the background. Default: none.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Store is a store.Store in a PostgreSQL database. Make one with [Open].
type Store struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	created bool
	epoch   atomic.Pointer[[16]byte]
	hints   *listener
}

var _ store.Store = (*Store)(nil)

// Open connects to the database and brings its schema up to date. Other processes that
// open it at the same time wait for that. A database that cannot be reached, or is
// starting up, is tried again for as long as Options.Patience.
//
// The URL may leave out what the environment says in the variables of libpq, such as
// PGPASSWORD; "postgres://" leaves out everything. No error repeats a password.
//
// Errors: store.ErrNewerSchema, store.ErrDamaged, and those of the connection.
func Open(ctx context.Context, url string, options Options) (*Store, error) {
	options = options.withDefaults()
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	if plaintext(config.ConnConfig, url) {
		options.Log.WarnContext(ctx, "the connection to the database may be in plaintext, and its server is not verified; add sslmode=verify-full to database_url")
	}
	config.MaxConns = int32(min(options.MaxConnections, 1<<20)) //nolint:gosec // in range
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", explain(err))
	}
	s := &Store{pool: pool, timeout: options.Timeout}
	if err := s.open(ctx, options); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", explain(err))
	}
	s.hints = listen(context.WithoutCancel(ctx), config.ConnConfig, pool, options.Log)
	return s, nil
}

func (s *Store) open(ctx context.Context, options Options) error {
	if err := retry(ctx, options, s.pool.Ping); err != nil {
		return err
	}
	var err error
	if s.created, err = migrate(ctx, s.pool.Config().ConnConfig); err != nil {
		return err
	}
	var epoch []byte
	if err := s.pool.QueryRow(ctx, `SELECT (SELECT epoch FROM ostiary.state)`).Scan(&epoch); err != nil {
		return fmt.Errorf("read the epoch: %w", err)
	}
	return s.setEpoch(epoch)
}

func (s *Store) setEpoch(kept []byte) error {
	if len(kept) != len(s.Epoch()) {
		return fmt.Errorf("%w (its epoch has %d bytes)", store.ErrDamaged, len(kept))
	}
	epoch := [16]byte(kept)
	s.epoch.Store(&epoch)
	return nil
}

// Created reports whether Open has made the schema.
func (s *Store) Created() bool { return s.created }

// Epoch implements store.Store.
func (s *Store) Epoch() [16]byte {
	if epoch := s.epoch.Load(); epoch != nil {
		return *epoch
	}
	return [16]byte{}
}

// Concurrency implements store.Store.
func (s *Store) Concurrency() int { return int(s.pool.Config().MaxConns) }

// Hints implements store.Store.
func (s *Store) Hints() <-chan struct{} { return s.hints.hints }

// Close implements store.Store.
func (s *Store) Close() error {
	s.hints.close()
	s.pool.Close()
	return nil
}

// Of a transaction that writes. The database ends it if this process does not, so that
// what it holds does not keep others waiting. Here and not in the connection's settings,
// which a pooler refuses or gives to others.
const beginWrite = `BEGIN ISOLATION LEVEL READ COMMITTED;
	SET LOCAL statement_timeout = %[1]d; SET LOCAL lock_timeout = %[1]d; SET LOCAL idle_in_transaction_session_timeout = %[1]d;
	SET LOCAL synchronous_commit = %[2]s`

// How a transaction is committed.
const (
	// durably returns when it is on disk, and on the synchronous standby if there is one.
	durably = "on"
	// soon may lose the transactions of the last second when the server crashes.
	soon = "off"
)

func (s *Store) beginWrite(commit string) string {
	return fmt.Sprintf(beginWrite, s.timeout.Milliseconds(), commit)
}

// transact runs do in a transaction that is committed when do succeeds.
func (s *Store) transact(ctx context.Context, commit string, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	options := pgx.TxOptions{BeginQuery: s.beginWrite(commit)}
	return s.explain(pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error { return do(ctx, tx) }))
}

// query returns all rows of a query.
func query[T any](ctx context.Context, s *Store, scan func(pgx.CollectableRow) (T, error), sql string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, _ := s.pool.Query(ctx, sql, args...) // AppendRows returns the error
	all, err := pgx.AppendRows([]T(nil), rows, scan)
	return all, s.explain(err)
}

// explain explains an error, and lets go of connections to a server that does not take
// writes any more: the next ones may lead to the one that has taken over.
func (s *Store) explain(err error) error {
	err = explain(err)
	if errors.Is(err, errReadOnly) {
		s.pool.Reset()
	}
	return err
}

// A digest names what several texts name together, however long they are.
func digest(texts ...string) []byte {
	hash := sha256.New()
	for _, text := range texts {
		hash.Write(digestOne(text))
	}
	return hash.Sum(nil)
}

// digestOne is the database's sha256.
func digestOne(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// A text is read from a BYTEA.
type text string

// ScanBytes implements pgtype.BytesScanner. Rows that follow each other mostly have the same
// issuer, which is kept once.
func (t *text) ScanBytes(value []byte) error {
	if string(*t) != string(value) {
		*t = text(value)
	}
	return nil
}

// randomID is read from a BYTEA of 16 bytes.
type randomID [16]byte

// ScanBytes implements pgtype.BytesScanner.
func (id *randomID) ScanBytes(value []byte) error {
	copy(id[:], value)
	return nil
}
