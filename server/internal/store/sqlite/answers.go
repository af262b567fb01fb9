package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/server/internal/store"
)

const insertAnswer = `INSERT INTO answers (issuer, subject, procedure, request_id, hash, answer, given_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`

const selectAnswer = `SELECT hash, answer FROM answers
	WHERE issuer = $1 AND subject = $2 AND procedure = $3 AND request_id = $4`

// saveAnswer keeps the answer of the call that has saved these revocations.
func saveAnswer(ctx context.Context, tx *sql.Tx, answer *store.Answer, saved []store.Revocation) error {
	encoded, err := answer.Encode(saved)
	if err != nil {
		return err
	}
	call := answer.Call
	result, err := tx.ExecContext(ctx, insertAnswer, call.Issuer, call.Subject, call.Procedure, call.RequestID, answer.Hash, encoded, store.Micros(answer.At))
	if err != nil {
		return err
	}
	switch changed, err := result.RowsAffected(); {
	case err != nil:
		return err
	case changed == 0:
		return store.ErrAnswered
	default:
		return nil
	}
}

// Answer implements store.Store.
func (s *Store) Answer(ctx context.Context, call store.Call) (hash, answer []byte, err error) {
	row := s.db.QueryRowContext(ctx, selectAnswer, call.Issuer, call.Subject, call.Procedure, call.RequestID)
	switch err := row.Scan(&hash, &answer); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("find an answer: %w", explain(err))
	default:
		return hash, answer, nil
	}
}
