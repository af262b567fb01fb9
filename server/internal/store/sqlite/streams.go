package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const streamColumns = `stream_id, sequence, due_at, data`

const upsertStream = `INSERT INTO streams (` + streamColumns + `, waits) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (stream_id) DO UPDATE SET sequence = excluded.sequence, due_at = excluded.due_at, data = excluded.data, waits = excluded.waits`

const selectStreams = `SELECT ` + streamColumns + ` FROM streams ORDER BY stream_id`

const selectStream = `SELECT ` + streamColumns + ` FROM streams WHERE stream_id = $1`

const isDue = ` WHERE due_at <> 0 AND due_at <= $1 AND (waits OR sequence < (` + selectLastSequence + `))`

const selectDue = `SELECT EXISTS (SELECT 1 FROM streams` + isDue + `)`

const claimStreams = `UPDATE streams SET due_at = $2` + isDue + ` RETURNING ` + streamColumns

const insertSigningKey = `INSERT INTO signing_keys (key_id, private_key, created_at)
	SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE created_at >= $4)`

const selectSigningKeys = `SELECT key_id, private_key, created_at FROM signing_keys ORDER BY created_at DESC, key_id`

const deleteSigningKeys = `DELETE FROM signing_keys WHERE key_id NOT IN (SELECT key_id FROM signing_keys ORDER BY created_at DESC, key_id LIMIT $1)`

// AddStream implements store.Store.
func (s *Store) AddStream(ctx context.Context, stream store.Stream, limit, ownLimit int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, selectStreams)
		if err != nil {
			return err
		}
		all, err := collect(rows, scanStream)
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

func saveStream(ctx context.Context, tx *sql.Tx, stream store.Stream) error {
	data, err := store.EncodeStream(stream)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, upsertStream, stream.ID, stream.Sequence, stream.Due(), data, stream.Verification.Waits())
	return err
}

// Streams implements store.Store.
func (s *Store) Streams(ctx context.Context) ([]store.Stream, error) {
	rows, err := s.db.QueryContext(ctx, selectStreams)
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", explain(err))
	}
	return collect(rows, scanStream)
}

// UpdateStream implements store.Store.
func (s *Store) UpdateStream(ctx context.Context, id string, change func(*store.Stream) error) (stream store.Stream, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		var err error
		stream, err = scanStream(tx.QueryRowContext(ctx, selectStream, id))
		if errors.Is(err, sql.ErrNoRows) {
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
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM streams WHERE stream_id = $1`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete a stream: %w", err)
	}
	return nil
}

// ClaimStreams implements store.Store. It writes only if there is something to claim, since
// it is called often.
func (s *Store) ClaimStreams(ctx context.Context, now, until time.Time) (claimed []store.Stream, err error) {
	var due bool
	if err := s.db.QueryRowContext(ctx, selectDue, store.Micros(now)).Scan(&due); err != nil {
		return nil, fmt.Errorf("claim streams: %w", explain(err))
	}
	if !due {
		return nil, nil
	}
	err = s.transact(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, claimStreams, store.Micros(now), store.Micros(until))
		if err != nil {
			return err
		}
		claimed, err = collect(rows, scanStream)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim streams: %w", err)
	}
	return claimed, nil
}

func scanStream(r row) (store.Stream, error) {
	var id string
	var sequence, dueAt int64
	var data []byte
	if err := r.Scan(&id, &sequence, &dueAt, &data); err != nil {
		return store.Stream{}, err
	}
	return store.DecodeStream(id, sequence, dueAt, data)
}

// SigningKeys implements store.Store.
func (s *Store) SigningKeys(ctx context.Context) ([]store.SigningKey, error) {
	rows, err := s.db.QueryContext(ctx, selectSigningKeys)
	if err != nil {
		return nil, fmt.Errorf("list signing keys: %w", explain(err))
	}
	return collect(rows, func(r row) (store.SigningKey, error) {
		var key store.SigningKey
		var createdAt int64
		err := r.Scan(&key.ID, &key.Private, &createdAt)
		key.CreatedAt = store.FromMicros(createdAt)
		return key, err
	})
}

// AddSigningKey implements store.Store.
func (s *Store) AddSigningKey(ctx context.Context, key store.SigningKey, unlessSince time.Time, keep int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insertSigningKey, key.ID, key.Private, store.Micros(key.CreatedAt), store.Micros(unlessSince)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, deleteSigningKeys, keep)
		return err
	})
	if err != nil {
		return fmt.Errorf("add a signing key: %w", err)
	}
	return nil
}
