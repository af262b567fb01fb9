package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Clock implements store.Store. SQLite has the clock of this machine.
func (s *Store) Clock(ctx context.Context) (store.Clock, error) {
	var believed, doubted int64
	if err := s.db.QueryRowContext(ctx, `SELECT believed_at, doubted FROM clock`).Scan(&believed, &doubted); err != nil {
		return store.Clock{}, fmt.Errorf("read the time of day: %w", explain(err))
	}
	return store.Clock{Believed: store.FromMicros(believed), Doubted: time.Duration(doubted) * time.Microsecond}, nil
}

// SaveClock implements store.Store.
func (s *Store) SaveClock(ctx context.Context, before, after store.Clock) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE clock SET believed_at = $2, doubted = $3 WHERE believed_at = $1`,
			store.Micros(before.Believed), store.Micros(after.Believed), after.Doubted.Microseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("save the time of day: %w", err)
	}
	return nil
}

// Probe implements store.Store.
func (s *Store) Probe(ctx context.Context) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE clock SET probed = probed + 1`)
		return err
	})
}
