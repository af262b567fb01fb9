package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const upsertReader = `INSERT INTO readers (service, instance_id, confirmed, heard_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (service, instance_id) DO UPDATE SET confirmed = excluded.confirmed, heard_at = excluded.heard_at
	WHERE excluded.heard_at >= heard_at`

const deleteReaders = `DELETE FROM readers WHERE heard_at < $1`

const selectReaders = `SELECT service, instance_id, confirmed, heard_at FROM readers ORDER BY service, instance_id`

// SaveReaders implements store.Store.
func (s *Store) SaveReaders(ctx context.Context, readers []store.Reader, forget time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, r := range readers {
			if _, err := tx.ExecContext(ctx, upsertReader, r.Service, r.InstanceID, r.Confirmed, store.Micros(r.HeardAt)); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, deleteReaders, store.Micros(forget))
		return err
	})
	if err != nil {
		return fmt.Errorf("save readers: %w", err)
	}
	return nil
}

// Readers implements store.Store.
func (s *Store) Readers(ctx context.Context) ([]store.Reader, error) {
	rows, err := s.db.QueryContext(ctx, selectReaders)
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", explain(err))
	}
	return collect(rows, func(r row) (store.Reader, error) {
		var one store.Reader
		var heardAt int64
		err := r.Scan(&one.Service, &one.InstanceID, &one.Confirmed, &heardAt)
		one.HeardAt = store.FromMicros(heardAt)
		return one, err
	})
}
