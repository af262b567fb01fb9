package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

const signOutColumns = `issuer, session_id, subject, created_at, expires_at, failures, due_at, ended_at`

// upsertSignOut has a session tried again that its issuer has refused to end.
const upsertSignOut = `INSERT INTO ostiary.sign_outs AS kept (` + signOutColumns + `, name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
	ON CONFLICT (name) DO UPDATE SET
		expires_at = GREATEST(kept.expires_at, excluded.expires_at),
		due_at = CASE WHEN kept.due_at = 0 AND kept.ended_at = 0 THEN excluded.due_at ELSE kept.due_at END`

const selectSignOuts = `SELECT ` + signOutColumns + ` FROM ostiary.sign_outs WHERE name = ANY ($1)`

// claimSignOuts leaves out what another is claiming just now.
const claimSignOuts = `UPDATE ostiary.sign_outs SET due_at = $1 WHERE name = ANY (ARRAY(
		SELECT name FROM ostiary.sign_outs WHERE sha256(issuer) = $2 AND due_at <> 0 AND due_at <= $3
		ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED))
	RETURNING ` + signOutColumns

const updateSignOut = `UPDATE ostiary.sign_outs SET failures = $1, due_at = $2, ended_at = $3
	WHERE name = $4 AND ended_at = 0 AND ($3::BIGINT <> 0 OR due_at = $5)`

const countSignOuts = `SELECT COUNT(*) FROM ostiary.sign_outs WHERE sha256(issuer) = $1 AND due_at <> 0`

func signOutName(s store.SignOut) []byte { return digest(s.Issuer, s.SessionID, s.Subject) }

// saveSignOuts saves them in the order of their names, so that two transactions never wait
// for each other.
func saveSignOuts(ctx context.Context, tx pgx.Tx, signOuts []store.SignOut) error {
	if len(signOuts) == 0 {
		return nil
	}
	var batch pgx.Batch
	for _, s := range slices.SortedFunc(slices.Values(signOuts), func(a, b store.SignOut) int { return bytes.Compare(signOutName(a), signOutName(b)) }) {
		batch.Queue(upsertSignOut, []byte(s.Issuer), []byte(s.SessionID), []byte(s.Subject), store.Micros(s.CreatedAt), store.Micros(s.ExpiresAt),
			s.Failures, store.Micros(s.DueAt), store.Micros(s.EndedAt), signOutName(s))
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// SignOuts implements store.Store.
func (s *Store) SignOuts(ctx context.Context, named []store.SignOut) ([]store.SignOut, error) {
	names := make([][]byte, len(named))
	for i, one := range named {
		names[i] = signOutName(one)
	}
	found, err := query(ctx, s, scanSignOut, selectSignOuts, names)
	if err != nil {
		return nil, fmt.Errorf("find sign-outs: %w", err)
	}
	return found, nil
}

// ClaimSignOuts implements store.Store. It does not wait for the disk, and neither does
// SaveSignOut: what a crash undoes is done once more.
func (s *Store) ClaimSignOuts(ctx context.Context, issuer string, now, until time.Time, limit int) (claimed []store.SignOut, err error) {
	err = s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, claimSignOuts, store.Micros(until), digestOne(issuer), store.Micros(now), limit) // AppendRows returns the error
		var err error
		claimed, err = pgx.AppendRows(claimed[:0], rows, scanSignOut)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim sign-outs: %w", err)
	}
	return claimed, nil
}

// SaveSignOut implements store.Store.
func (s *Store) SaveSignOut(ctx context.Context, claimed, after store.SignOut) error {
	err := s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, updateSignOut, after.Failures, store.Micros(after.DueAt), store.Micros(after.EndedAt),
			signOutName(claimed), store.Micros(claimed.DueAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("save a sign-out: %w", err)
	}
	return nil
}

// PendingSignOuts implements store.Store.
func (s *Store) PendingSignOuts(ctx context.Context, issuer string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.pool.QueryRow(ctx, countSignOuts, digestOne(issuer)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count sign-outs: %w", s.explain(err))
	}
	return n, nil
}

func scanSignOut(row pgx.CollectableRow) (store.SignOut, error) {
	var s store.SignOut
	var createdAt, expiresAt, dueAt, endedAt int64
	err := row.Scan((*text)(&s.Issuer), (*text)(&s.SessionID), (*text)(&s.Subject), &createdAt, &expiresAt, &s.Failures, &dueAt, &endedAt)
	s.CreatedAt, s.ExpiresAt = store.FromMicros(createdAt), store.FromMicros(expiresAt)
	s.DueAt, s.EndedAt = store.FromMicros(dueAt), store.FromMicros(endedAt)
	return s, err
}
