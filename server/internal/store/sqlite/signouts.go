package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const signOutColumns = `issuer, session_id, subject, created_at, expires_at, failures, due_at, ended_at`

// upsertSignOut has a session tried again that its issuer has refused to end.
const upsertSignOut = `INSERT INTO sign_outs (` + signOutColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (issuer, session_id, subject) DO UPDATE SET
		expires_at = MAX(expires_at, excluded.expires_at),
		due_at = CASE WHEN due_at = 0 AND ended_at = 0 THEN excluded.due_at ELSE due_at END`

const claimSignOuts = `UPDATE sign_outs SET due_at = $1 WHERE (issuer, session_id, subject) IN (
		SELECT issuer, session_id, subject FROM sign_outs WHERE issuer = $2 AND due_at <> 0 AND due_at <= $3 ORDER BY due_at LIMIT $4)
	RETURNING ` + signOutColumns

const updateSignOut = `UPDATE sign_outs SET failures = $1, due_at = $2, ended_at = $3
	WHERE issuer = $4 AND session_id = $5 AND subject = $6 AND ended_at = 0 AND ($3 <> 0 OR due_at = $7)`

const countSignOuts = `SELECT COUNT(*) FROM sign_outs WHERE issuer = $1 AND due_at <> 0`

func saveSignOuts(ctx context.Context, tx *sql.Tx, signOuts []store.SignOut) error {
	for _, s := range signOuts {
		if _, err := tx.ExecContext(ctx, upsertSignOut, s.Issuer, s.SessionID, s.Subject, store.Micros(s.CreatedAt), store.Micros(s.ExpiresAt),
			s.Failures, store.Micros(s.DueAt), store.Micros(s.EndedAt)); err != nil {
			return err
		}
	}
	return nil
}

// SignOuts implements store.Store.
func (s *Store) SignOuts(ctx context.Context, named []store.SignOut) ([]store.SignOut, error) {
	var all []store.SignOut
	for part := range slices.Chunk(named, maxTargets) {
		var q query
		asked := make([]string, len(part))
		for i, one := range part {
			asked[i] = "(" + q.bind(one.Issuer) + ", " + q.bind(one.SessionID) + ", " + q.bind(one.Subject) + ")"
		}
		q.text.WriteString(`WITH asked (a_issuer, a_session_id, a_subject) AS (VALUES ` + strings.Join(asked, ", ") + `)
			SELECT DISTINCT ` + signOutColumns + ` FROM asked CROSS JOIN sign_outs
			WHERE issuer = a_issuer AND session_id = a_session_id AND subject = a_subject`)
		rows, err := s.db.QueryContext(ctx, q.text.String(), q.args...)
		if err != nil {
			return nil, fmt.Errorf("find sign-outs: %w", explain(err))
		}
		found, err := collect(rows, scanSignOut)
		if err != nil {
			return nil, fmt.Errorf("find sign-outs: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// ClaimSignOuts implements store.Store.
func (s *Store) ClaimSignOuts(ctx context.Context, issuer string, now, until time.Time, limit int) (claimed []store.SignOut, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, claimSignOuts, store.Micros(until), issuer, store.Micros(now), limit)
		if err != nil {
			return err
		}
		claimed, err = collect(rows, scanSignOut)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim sign-outs: %w", err)
	}
	return claimed, nil
}

// SaveSignOut implements store.Store.
func (s *Store) SaveSignOut(ctx context.Context, claimed, after store.SignOut) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, updateSignOut, after.Failures, store.Micros(after.DueAt), store.Micros(after.EndedAt),
			claimed.Issuer, claimed.SessionID, claimed.Subject, store.Micros(claimed.DueAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("save a sign-out: %w", err)
	}
	return nil
}

// PendingSignOuts implements store.Store.
func (s *Store) PendingSignOuts(ctx context.Context, issuer string) (n int64, err error) {
	if err := s.db.QueryRowContext(ctx, countSignOuts, issuer).Scan(&n); err != nil {
		return 0, fmt.Errorf("count sign-outs: %w", explain(err))
	}
	return n, nil
}

func scanSignOut(r row) (store.SignOut, error) {
	var s store.SignOut
	var createdAt, expiresAt, dueAt, endedAt int64
	err := r.Scan(&s.Issuer, &s.SessionID, &s.Subject, &createdAt, &expiresAt, &s.Failures, &dueAt, &endedAt)
	s.CreatedAt, s.ExpiresAt = store.FromMicros(createdAt), store.FromMicros(expiresAt)
	s.DueAt, s.EndedAt = store.FromMicros(dueAt), store.FromMicros(endedAt)
	return s, err
}
