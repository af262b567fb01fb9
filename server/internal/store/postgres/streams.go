package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

const streamColumns = `stream_id, sequence, due_at, data`

const upsertStream = `INSERT INTO ostiary.streams (` + streamColumns + `, waits) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (stream_id) DO UPDATE SET sequence = excluded.sequence, due_at = excluded.due_at, data = excluded.data, waits = excluded.waits`

const selectStreams = `SELECT ` + streamColumns + ` FROM ostiary.streams ORDER BY stream_id COLLATE "C"`

const selectStream = `SELECT ` + streamColumns + ` FROM ostiary.streams WHERE stream_id = $1 FOR UPDATE`

// claimStreams leaves out what another is claiming or changing just now.
const claimStreams = `UPDATE ostiary.streams SET due_at = $2 WHERE stream_id = ANY (ARRAY(
		SELECT stream_id FROM ostiary.streams
		WHERE due_at <> 0 AND due_at <= $1 AND (waits OR sequence < (SELECT last_sequence FROM ostiary.state)) FOR UPDATE SKIP LOCKED))
	RETURNING ` + streamColumns

const insertSigningKey = `INSERT INTO ostiary.signing_keys (key_id, private_key, created_at)
	SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM ostiary.signing_keys WHERE created_at >= $4)`

const selectSigningKeys = `SELECT key_id, private_key, created_at FROM ostiary.signing_keys ORDER BY created_at DESC, key_id COLLATE "C"`

const deleteSigningKeys = `DELETE FROM ostiary.signing_keys
	WHERE key_id NOT IN (SELECT key_id FROM ostiary.signing_keys ORDER BY created_at DESC, key_id COLLATE "C" LIMIT $1)`

// AddStream implements store.Store. Two never add at once, so that both count all.
func (s *Store) AddStream(ctx context.Context, stream store.Stream, limit, ownLimit int) error {
	err := s.transact(ctx, durably, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE ostiary.streams IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, selectStreams) // CollectRows returns the error
		all, err := pgx.CollectRows(rows, scanStream)
		if err != nil {
			return err
		}
		if stream.Exceeds(all, limit, ownLimit) {
			return store.ErrTooManyStreams
		}
		return saveStream(ctx, tx, stream)
	})
	if err != nil {
		return fmt.Errorf("add a stream: %w", err)
	}
	return nil
}

func saveStream(ctx context.Context, tx pgx.Tx, stream store.Stream) error {
	data, err := store.EncodeStream(stream)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, upsertStream, stream.ID, stream.Sequence, stream.Due(), data, stream.Verification.Waits())
	return err
}

// Streams implements store.Store.
func (s *Store) Streams(ctx context.Context) ([]store.Stream, error) {
	all, err := query(ctx, s, scanStream, selectStreams)
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	return all, nil
}

// UpdateStream implements store.Store.
func (s *Store) UpdateStream(ctx context.Context, id string, change func(*store.Stream) error) (stream store.Stream, err error) {
	err = s.transact(ctx, durably, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, selectStream, id) // CollectExactlyOneRow returns the error
		var err error
		stream, err = pgx.CollectExactlyOneRow(rows, scanStream)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNoStream
		}
		if err != nil {
			return err
		}
		if err := change(&stream); err != nil {
			return err
		}
		return saveStream(ctx, tx, stream)
	})
	if err != nil {
		return store.Stream{}, fmt.Errorf("update a stream: %w", err)
	}
	return stream, nil
}

// DeleteStream implements store.Store.
func (s *Store) DeleteStream(ctx context.Context, id string) error {
	err := s.transact(ctx, durably, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM ostiary.streams WHERE stream_id = $1`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete a stream: %w", err)
	}
	return nil
}

// ClaimStreams implements store.Store. It does not wait for the disk: what a crash undoes
// is claimed again.
func (s *Store) ClaimStreams(ctx context.Context, now, until time.Time) (claimed []store.Stream, err error) {
	err = s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, claimStreams, store.Micros(now), store.Micros(until)) // AppendRows returns the error
		var err error
		claimed, err = pgx.AppendRows(claimed[:0], rows, scanStream)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim streams: %w", err)
	}
	return claimed, nil
}

func scanStream(row pgx.CollectableRow) (store.Stream, error) {
	var id string
	var sequence, dueAt int64
	var data []byte
	if err := row.Scan(&id, &sequence, &dueAt, &data); err != nil {
		return store.Stream{}, err
	}
	return store.DecodeStream(id, sequence, dueAt, data)
}

// SigningKeys implements store.Store.
func (s *Store) SigningKeys(ctx context.Context) ([]store.SigningKey, error) {
	keys, err := query(ctx, s, func(row pgx.CollectableRow) (store.SigningKey, error) {
		var key store.SigningKey
		var createdAt int64
		err := row.Scan(&key.ID, &key.Private, &createdAt)
		key.CreatedAt = store.FromMicros(createdAt)
		return key, err
	}, selectSigningKeys)
	if err != nil {
		return nil, fmt.Errorf("list signing keys: %w", err)
	}
	return keys, nil
}

// AddSigningKey implements store.Store. Two never add at once, so that there is one key.
func (s *Store) AddSigningKey(ctx context.Context, key store.SigningKey, unlessSince time.Time, keep int) error {
	err := s.transact(ctx, durably, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE ostiary.signing_keys IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertSigningKey, key.ID, key.Private, store.Micros(key.CreatedAt), store.Micros(unlessSince)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, deleteSigningKeys, keep)
		return err
	})
	if err != nil {
		return fmt.Errorf("add a signing key: %w", err)
	}
	return nil
}
