package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	deleteSessions = `DELETE FROM ostiary.sessions WHERE name = ANY (ARRAY(
		SELECT name FROM ostiary.sessions WHERE last_seen < $1 ORDER BY last_seen LIMIT $2))
		RETURNING ` + sessionColumns
	// The last one stays: by it the place of those who have read everything is known, also
	// after a restore.
	deleteRevocations = `DELETE FROM ostiary.revocations WHERE sequence = ANY (ARRAY(
		SELECT sequence FROM ostiary.revocations WHERE expires_at <= $1 AND sequence < (SELECT max(sequence) FROM ostiary.revocations)
		ORDER BY expires_at LIMIT $2))`
	deleteSignOuts = `DELETE FROM ostiary.sign_outs WHERE name = ANY (ARRAY(
		SELECT name FROM ostiary.sign_outs WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2))`
	deleteAnswers = `DELETE FROM ostiary.answers WHERE call = ANY (ARRAY(
		SELECT call FROM ostiary.answers WHERE given_at < $1 ORDER BY given_at LIMIT $2))`
)

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, age store.Age, limit int) (store.Pruned, error) {
	var pruned store.Pruned
	err := s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		// It also keeps two from pruning at once.
		if _, err := tx.Exec(ctx, lock, sessionsLock); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, deleteSessions, store.Micros(age.SeenBefore), limit) // AppendRows returns the error
		var err error
		if pruned.Sessions, err = pgx.AppendRows([]store.Session(nil), rows, scanSession); err != nil {
			return err
		}
		remove := func(statement string, t time.Time) (int64, error) {
			tag, err := tx.Exec(ctx, statement, store.Micros(t), limit)
			return tag.RowsAffected(), err
		}
		if pruned.Revocations, err = remove(deleteRevocations, age.ExpiredBy); err != nil {
			return err
		}
		if pruned.SignOuts, err = remove(deleteSignOuts, age.ExpiredBy); err != nil {
			return err
		}
		pruned.Answers, err = remove(deleteAnswers, age.AnsweredBefore)
		return err
	})
	if err != nil {
		return store.Pruned{}, fmt.Errorf("prune: %w", err)
	}
	return pruned, nil
}
