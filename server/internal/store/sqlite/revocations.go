package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const changeColumns = `kind, issuer, value, subject, issued_before, expires_at, created_at`

const revocationColumns = changeColumns + `,
	origin, by_issuer, by_subject, by_client_id, by_session_id,
	actor_issuer, actor_subject, actor_session_id, actor_type, cause,
	signal_source, signal_issuer, signal_type, signal_message_id`

// insertRevocations inserts rows that differ in their ID and value alone: the first parameter has the
// IDs, one behind the other, and the last a JSON array of the values in hexadecimal digits. To run
// a statement for each row takes more than twice as long, most of it around SQLite.
const insertRevocations = `INSERT INTO revocations (revocation_id, value, kind, issuer, subject, issued_before, expires_at, created_at,
		origin, by_issuer, by_subject, by_client_id, by_session_id, actor_issuer, actor_subject, actor_session_id, actor_type, cause,
		signal_source, signal_issuer, signal_type, signal_message_id)
	SELECT substr($1, 16 * each.key + 1, 16), CAST(unhex(each.value) AS TEXT), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21
	FROM json_each($22) AS each ORDER BY each.key`

const selectChanges = `SELECT sequence, revocation_id, ` + changeColumns + ` FROM revocations
	WHERE sequence > $1 ORDER BY sequence LIMIT $2`

// selectLastSequence is the last sequence that was given, also if its row was pruned.
const selectLastSequence = `SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'revocations'`

// selectGiven returns whether the database has given a revocation: the row is there, or it
// was pruned, and none was given before it that was made later. After a restore the same
// numbers are given again, later.
const selectGiven = `SELECT $1 <= (` + selectLastSequence + `) AND COALESCE(
	(SELECT CASE sequence WHEN $1 THEN created_at = $2 ELSE created_at <= $2 END
		FROM revocations WHERE sequence <= $1 ORDER BY sequence DESC LIMIT 1), TRUE)`

// SaveRevocations implements store.Store.
func (s *Store) SaveRevocations(ctx context.Context, revocations []store.Revocation, answer *store.Answer, signOuts ...store.SignOut) ([]store.Revocation, error) {
	saved := slices.Clone(revocations)
	err := s.transact(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, insertRevocations)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }()
		for rest := saved; len(rest) > 0; {
			n := store.Alike(rest)
			if err := insertAlike(ctx, insert, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		if err := saveSignOuts(ctx, tx, signOuts); err != nil || answer == nil {
			return err
		}
		return saveAnswer(ctx, tx, answer, saved)
	})
	if err != nil {
		return nil, fmt.Errorf("save revocations: %w", err)
	}
	return saved, nil
}

// insertAlike inserts revocations that differ in their ID and value alone, and gives them their IDs and
// sequences.
func insertAlike(ctx context.Context, insert *sql.Stmt, saved []store.Revocation) error {
	ids, values := make([]byte, 0, len(saved)*len(saved[0].ID)), []byte{'['}
	for i := range saved {
		r := &saved[i]
		_, _ = rand.Read(r.ID[:]) // never fails
		ids = append(ids, r.ID[:]...)
		values = append(append(hex.AppendEncode(append(values, '"'), []byte(r.Target.Value)), '"'), ',')
	}
	values[len(values)-1] = ']'
	r := &saved[0]
	by, signal := &r.Origin.Caller, &r.Origin.Signal
	result, err := insert.ExecContext(ctx, ids, r.Target.Kind, r.Target.Issuer, r.Target.Subject,
		store.Micros(r.IssuedBefore), store.Micros(r.ExpiresAt), store.Micros(r.CreatedAt),
		r.Origin.Kind, by.Issuer, by.Subject, by.ClientID, by.SessionID,
		by.Actor.Issuer, by.Actor.Subject, by.Actor.SessionID, by.Actor.Type, r.Cause,
		signal.Source, signal.Issuer, signal.Type, signal.MessageID, string(values))
	if err != nil {
		return err
	}
	last, err := result.LastInsertId()
	for i := range saved {
		saved[i].Sequence = last - int64(len(saved)-1-i) // one writer: they follow each other
	}
	return err
}

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context, after store.Revocation, limit int) ([]store.Revocation, error) {
	if err := s.checkGiven(ctx, after); err != nil {
		return nil, fmt.Errorf("list changes after %d: %w", after.Sequence, err)
	}
	rows, err := s.db.QueryContext(ctx, selectChanges, after.Sequence, limit)
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", explain(err))
	}
	return collectRevocations(rows, (*scanned).change)
}

// checkGiven fails with store.ErrNotGiven for a revocation that this database never had.
func (s *Store) checkGiven(ctx context.Context, r store.Revocation) error {
	if err := s.present(); err != nil {
		return err
	}
	before := s.Epoch()
	if err := s.readEpoch(ctx); err != nil {
		return explain(err)
	}
	if r.Sequence == 0 {
		return nil
	}
	if s.Epoch() != before {
		return store.ErrNotGiven
	}
	var given bool
	if err := s.db.QueryRowContext(ctx, selectGiven, r.Sequence, store.Micros(r.CreatedAt)).Scan(&given); err != nil {
		return explain(err)
	}
	if !given {
		return store.ErrNotGiven
	}
	return nil
}

// scanned is the revocation of a row. It is used for one row after the other.
type scanned struct {
	store.Revocation

	id                                 sql.RawBytes
	issuedBefore, expiresAt, createdAt int64
}

// change returns where the columns of a change go.
func (s *scanned) change() []any {
	target := &s.Target
	return []any{&s.Sequence, &s.id, &target.Kind, &target.Issuer, &target.Value, &target.Subject, &s.issuedBefore, &s.expiresAt, &s.createdAt}
}

// all returns where the columns of a revocation go.
func (s *scanned) all() []any {
	by, signal := &s.Origin.Caller, &s.Origin.Signal
	return append(s.change(), &s.Origin.Kind, &by.Issuer, &by.Subject, &by.ClientID, &by.SessionID,
		&by.Actor.Issuer, &by.Actor.Subject, &by.Actor.SessionID, &by.Actor.Type, &s.Cause,
		&signal.Source, &signal.Issuer, &signal.Type, &signal.MessageID)
}

// collectRevocations reads all rows, and closes them.
func collectRevocations(rows *sql.Rows, columns func(*scanned) []any) ([]store.Revocation, error) {
	var one scanned
	to := columns(&one)
	return collect(rows, func(r row) (store.Revocation, error) {
		err := r.Scan(to...)
		revocation := one.Revocation
		copy(revocation.ID[:], one.id)
		revocation.IssuedBefore, revocation.ExpiresAt = store.FromMicros(one.issuedBefore), store.FromMicros(one.expiresAt)
		revocation.CreatedAt = store.FromMicros(one.createdAt)
		return revocation, err
	})
}

// maxTargets is how many targets one query asks for. The time to bind values grows with
// the square of their number.
const maxTargets = 250

// Strongest implements store.Store.
func (s *Store) Strongest(ctx context.Context, targets []store.Target, now time.Time) ([]store.Revocation, error) {
	var all []store.Revocation
	for part := range slices.Chunk(targets, maxTargets) {
		var q query
		asked := make([]string, len(part))
		for i, t := range part {
			asked[i] = "(" + q.bind(t.Kind) + ", " + q.bind(t.Issuer) + ", " + q.bind(t.Value) + ", " + q.bind(t.Subject) + ")"
		}
		// CROSS JOIN: SQLite would otherwise read every revocation.
		q.text.WriteString(`WITH asked (a_kind, a_issuer, a_value, a_subject) AS (VALUES ` + strings.Join(asked, ", ") + `)
			SELECT sequence, revocation_id, ` + revocationColumns + ` FROM (
				SELECT *, ROW_NUMBER() OVER (PARTITION BY kind, issuer, value, subject
					ORDER BY issued_before = 0 DESC, issued_before DESC, expires_at DESC, sequence DESC) AS place
				FROM asked CROSS JOIN revocations
				WHERE kind = a_kind AND issuer = a_issuer AND value = a_value AND subject = a_subject AND expires_at > ` + q.bind(store.Micros(now)) + `
			) AS ranked WHERE place = 1`)
		rows, err := s.db.QueryContext(ctx, q.text.String(), q.args...)
		if err != nil {
			return nil, fmt.Errorf("find revocations: %w", explain(err))
		}
		found, err := collectRevocations(rows, (*scanned).all)
		if err != nil {
			return nil, fmt.Errorf("find revocations: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}
