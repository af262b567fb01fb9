package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	deleteSessions = `DELETE FROM sessions WHERE (issuer, session_id, subject) IN (
		SELECT issuer, session_id, subject FROM sessions WHERE last_seen < $1 ORDER BY last_seen LIMIT $2)
		RETURNING ` + sessionColumns
	// The last one stays: by it the place of those who have read everything is known, also
	// after a restore.
	deleteRevocations = `DELETE FROM revocations WHERE sequence IN (
		SELECT sequence FROM revocations WHERE expires_at <= $1 AND sequence < (SELECT max(sequence) FROM revocations)
		ORDER BY expires_at LIMIT $2)`
	deleteSignOuts = `DELETE FROM sign_outs WHERE (issuer, session_id, subject) IN (
		SELECT issuer, session_id, subject FROM sign_outs WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`
	deleteAnswers = `DELETE FROM answers WHERE (issuer, subject, procedure, request_id) IN (
		SELECT issuer, subject, procedure, request_id FROM answers WHERE given_at < $1 ORDER BY given_at LIMIT $2)`
)

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, age store.Age, limit int) (store.Pruned, error) {
	var pruned store.Pruned
	err := s.transact(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, deleteSessions, store.Micros(age.SeenBefore), limit)
		if err != nil {
			return err
		}
		if pruned.Sessions, err = collect(rows, scanSession); err != nil {
			return err
		}
		if pruned.Revocations, err = remove(ctx, tx, deleteRevocations, age.ExpiredBy, limit); err != nil {
			return err
		}
		if pruned.SignOuts, err = remove(ctx, tx, deleteSignOuts, age.ExpiredBy, limit); err != nil {
			return err
		}
		pruned.Answers, err = remove(ctx, tx, deleteAnswers, age.AnsweredBefore, limit)
		return err
	})
	if err != nil {
		return store.Pruned{}, fmt.Errorf("prune: %w", err)
	}
	return pruned, nil
}

func remove(ctx context.Context, tx *sql.Tx, statement string, t time.Time, limit int) (int64, error) {
	result, err := tx.ExecContext(ctx, statement, store.Micros(t), limit)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
