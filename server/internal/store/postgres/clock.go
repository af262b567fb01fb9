package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

const selectClock = `SELECT believed_at, doubted, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT FROM ostiary.clock`

// Clock implements store.Store.
func (s *Store) Clock(ctx context.Context) (store.Clock, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var believed, doubted, now int64
	if err := s.pool.QueryRow(ctx, selectClock).Scan(&believed, &doubted, &now); err != nil {
		return store.Clock{}, fmt.Errorf("read the time of day: %w", s.explain(err))
	}
	return store.Clock{Believed: store.FromMicros(believed), Doubted: time.Duration(doubted) * time.Microsecond, Now: store.FromMicros(now)}, nil
}

// SaveClock implements store.Store.
func (s *Store) SaveClock(ctx context.Context, before, after store.Clock) error {
	err := s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE ostiary.clock SET believed_at = $2, doubted = $3 WHERE believed_at = $1`,
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
	return s.transact(ctx, durably, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE ostiary.clock SET probed = probed + 1`)
		return err
	})
}
