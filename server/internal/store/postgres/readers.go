package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

const upsertReader = `INSERT INTO ostiary.readers AS kept (service, instance_id, confirmed, heard_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (service, instance_id) DO UPDATE SET confirmed = excluded.confirmed, heard_at = excluded.heard_at
	WHERE excluded.heard_at >= kept.heard_at`

// deleteReaders leaves out what another is saving just now.
const deleteReaders = `DELETE FROM ostiary.readers WHERE (service, instance_id) IN (
	SELECT service, instance_id FROM ostiary.readers WHERE heard_at < $1 FOR UPDATE SKIP LOCKED)`

const selectReaders = `SELECT service, instance_id, confirmed, heard_at FROM ostiary.readers ORDER BY service, instance_id`

// SaveReaders implements store.Store. It saves them in order, so that two transactions
// never wait for each other, and does not wait for the disk.
func (s *Store) SaveReaders(ctx context.Context, readers []store.Reader, forget time.Time) error {
	err := s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		var batch pgx.Batch
		for _, r := range slices.SortedFunc(slices.Values(readers), func(a, b store.Reader) int {
			return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.InstanceID, b.InstanceID))
		}) {
			batch.Queue(upsertReader, []byte(r.Service), []byte(r.InstanceID), r.Confirmed, store.Micros(r.HeardAt))
		}
		batch.Queue(deleteReaders, store.Micros(forget))
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return fmt.Errorf("save readers: %w", err)
	}
	return nil
}

// Readers implements store.Store.
func (s *Store) Readers(ctx context.Context) ([]store.Reader, error) {
	found, err := query(ctx, s, func(row pgx.CollectableRow) (store.Reader, error) {
		var one store.Reader
		var heardAt int64
		err := row.Scan((*text)(&one.Service), (*text)(&one.InstanceID), &one.Confirmed, &heardAt)
		one.HeardAt = store.FromMicros(heardAt)
		return one, err
	}, selectReaders)
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	return found, nil
}
