package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const revocationColumns = `kind, issuer, value, subject, issued_before, expires_at, created_at,
	by_issuer, by_subject, by_actor, cause`

const insertRevocation = `INSERT INTO revocations (` + revocationColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING sequence`

const selectRevocations = `SELECT sequence, ` + revocationColumns + ` FROM revocations
	WHERE sequence > $1 ORDER BY sequence LIMIT $2`

// selectRevokedUntil is answered by the index revocations_for_good.
const selectRevokedUntil = `SELECT COALESCE(MAX(expires_at), 0) FROM revocations
	WHERE kind = $1 AND issuer = $2 AND value = $3 AND subject IN ('', $4) AND issued_before = 0`

// SaveRevocations implements store.Store.
func (s *Store) SaveRevocations(ctx context.Context, revocations []store.Revocation) ([]store.Revocation, error) {
	saved := slices.Clone(revocations)
	err := s.transact(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, insertRevocation)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }()
		for i := range saved {
			r := &saved[i]
			if err := insert.QueryRowContext(ctx, r.Kind, r.Issuer, r.Value, r.Subject, micros(r.IssuedBefore), micros(r.ExpiresAt),
				micros(r.CreatedAt), r.By.Issuer, r.By.Subject, r.By.Actor, r.Cause).Scan(&r.Sequence); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("save revocations: %w", err)
	}
	return saved, nil
}

// Revocations implements store.Store.
func (s *Store) Revocations(ctx context.Context, after int64, limit int) ([]store.Revocation, error) {
	rows, err := s.db.QueryContext(ctx, selectRevocations, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list revocations: %w", explain(err))
	}
	return collect(rows, scanRevocation)
}

func scanRevocation(r row) (store.Revocation, error) {
	var revocation store.Revocation
	var issuedBefore, expiresAt, createdAt int64
	err := r.Scan(&revocation.Sequence, &revocation.Kind, &revocation.Issuer, &revocation.Value, &revocation.Subject,
		&issuedBefore, &expiresAt, &createdAt,
		&revocation.By.Issuer, &revocation.By.Subject, &revocation.By.Actor, &revocation.Cause)
	revocation.IssuedBefore, revocation.ExpiresAt = fromMicros(issuedBefore), fromMicros(expiresAt)
	revocation.CreatedAt = fromMicros(createdAt)
	return revocation, err
}

// RevokedUntil implements store.Store.
func (s *Store) RevokedUntil(ctx context.Context, given store.Revocation) (time.Time, error) {
	var until int64
	err := s.db.QueryRowContext(ctx, selectRevokedUntil, given.Kind, given.Issuer, given.Value, given.Subject).Scan(&until)
	if err != nil {
		return time.Time{}, fmt.Errorf("revoked until when: %w", explain(err))
	}
	return fromMicros(until), nil
}

const (
	deleteSessions = `DELETE FROM sessions WHERE (issuer, session_id, subject) IN (
		SELECT issuer, session_id, subject FROM sessions WHERE last_seen < $1 ORDER BY last_seen LIMIT $2)`
	deleteRevocations = `DELETE FROM revocations WHERE sequence IN (
		SELECT sequence FROM revocations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`
)

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, seenBefore, expiredBy time.Time, limit int) (store.Pruned, error) {
	var pruned store.Pruned
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		if pruned.Sessions, err = remove(ctx, tx, deleteSessions, seenBefore, limit); err != nil {
			return err
		}
		pruned.Revocations, err = remove(ctx, tx, deleteRevocations, expiredBy, limit)
		return err
	})
	if err != nil {
		return store.Pruned{}, fmt.Errorf("prune: %w", err)
	}
	return pruned, nil
}

func remove(ctx context.Context, tx *sql.Tx, statement string, t time.Time, limit int) (int64, error) {
	result, err := tx.ExecContext(ctx, statement, micros(t), limit)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
