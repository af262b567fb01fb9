package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ostiary/ostiary/server/internal/store"
)

// takeSequences gives out sequences. Its row stays locked until the end of the transaction,
// so the next one gets higher numbers and is committed later: a reader up to a
// number misses none below it. A SEQUENCE would give numbers to transactions that end in
// another order.
const takeSequences = `UPDATE ostiary.state SET last_sequence = last_sequence + $1 RETURNING last_sequence`

const changeColumns = `sequence, revocation_id, kind, issuer, value, subject, issued_before, expires_at, created_at`

const revocationColumns = changeColumns + originColumns

const originColumns = `,
	origin, by_issuer, by_subject, by_client_id, by_session_id,
	actor_issuer, actor_subject, actor_session_id, actor_type, cause,
	signal_source, signal_issuer, signal_type, signal_message_id`

// insertRevocations inserts rows that differ in their ID, value and target alone. The first parameter
// says how far they are before the last sequence that was given out.
const insertRevocations = `INSERT INTO ostiary.revocations (sequence, revocation_id, value, target, kind, issuer, subject, issued_before, expires_at, created_at` + originColumns + `)
	SELECT (SELECT last_sequence FROM ostiary.state) - $1 + place, revocation_id, value, target,
		$5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24
	FROM unnest($2::BYTEA[], $3::BYTEA[], $4::BYTEA[]) WITH ORDINALITY AS given (revocation_id, value, target, place)`

const selectChanges = `SELECT ` + changeColumns + ` FROM ostiary.revocations WHERE sequence > $1 ORDER BY sequence LIMIT $2`

// selectGiven returns whether it is a standby, which database it is, and whether it has given a revocation: the row
// is there, or it was pruned, and none was given before it that was made later. After a
// restore the same numbers are given again, later.
const selectGiven = `SELECT pg_is_in_recovery(), (SELECT epoch FROM ostiary.state),
	$1 <= COALESCE((SELECT last_sequence FROM ostiary.state), 0) AND COALESCE(
	(SELECT CASE sequence WHEN $1 THEN created_at = $2 ELSE created_at <= $2 END
		FROM ostiary.revocations WHERE sequence <= $1 ORDER BY sequence DESC LIMIT 1), TRUE)`

const selectStrongest = `SELECT DISTINCT ON (target) ` + revocationColumns + ` FROM ostiary.revocations
	WHERE target = ANY ($1) AND expires_at > $2
	ORDER BY target, issued_before = 0 DESC, issued_before DESC, expires_at DESC, sequence DESC`

// SaveRevocations implements store.Store.
func (s *Store) SaveRevocations(ctx context.Context, revocations []store.Revocation, answer *store.Answer, signOuts ...store.SignOut) ([]store.Revocation, error) {
	saved := slices.Clone(revocations)
	for i := range saved {
		_, _ = rand.Read(saved[i].ID[:]) // never fails
	}
	var err error
	if answer == nil && len(signOuts) == 0 {
		err = s.saveAtOnce(ctx, saved)
	} else {
		err = s.transact(ctx, durably, func(ctx context.Context, tx pgx.Tx) error {
			var batch pgx.Batch
			queueRevocations(&batch, saved)
			if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
				return err
			}
			if err := saveSignOuts(ctx, tx, signOuts); err != nil || answer == nil {
				return err
			}
			return saveAnswer(ctx, tx, answer, saved)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("save revocations: %w", err)
	}
	return saved, nil
}

// saveAtOnce saves revocations in a transaction that is sent as a whole. All others who
// revoke wait for its end, and so would for this process, which may be busy with followers.
func (s *Store) saveAtOnce(ctx context.Context, saved []store.Revocation) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var batch pgx.Batch
	for statement := range strings.SplitSeq(s.beginWrite(durably), ";") {
		batch.Queue(statement)
	}
	queueRevocations(&batch, saved)
	batch.Queue("COMMIT")
	return s.explain(s.pool.SendBatch(ctx, &batch).Close())
}

// queueRevocations queues what saves revocations, and gives them their sequences.
func queueRevocations(batch *pgx.Batch, saved []store.Revocation) {
	if len(saved) == 0 {
		return
	}
	batch.Queue(takeSequences, len(saved)).QueryRow(func(row pgx.Row) error {
		var last int64
		err := row.Scan(&last)
		for i := range saved {
			saved[i].Sequence = last - int64(len(saved)-1-i)
		}
		return err
	})
	for rest := saved; len(rest) > 0; {
		n := store.Alike(rest)
		queueAlike(batch, rest[:n], len(rest))
		rest = rest[n:]
	}
	batch.Queue(notify, channel)
}

// queueAlike queues what inserts revocations that differ in their ID and value alone, the first
// of the last left sequences.
func queueAlike(batch *pgx.Batch, saved []store.Revocation, left int) {
	ids, values, targets := make([][]byte, len(saved)), make([][]byte, len(saved)), make([][]byte, len(saved))
	for i := range saved {
		ids[i], values[i], targets[i] = saved[i].ID[:], []byte(saved[i].Target.Value), targetName(saved[i].Target)
	}
	r := &saved[0]
	target, by, signal := &r.Target, &r.Origin.Caller, &r.Origin.Signal
	batch.Queue(insertRevocations, left, ids, values, targets, target.Kind, []byte(target.Issuer), []byte(target.Subject),
		store.Micros(r.IssuedBefore), store.Micros(r.ExpiresAt), store.Micros(r.CreatedAt),
		r.Origin.Kind, []byte(by.Issuer), []byte(by.Subject), []byte(by.ClientID), []byte(by.SessionID),
		[]byte(by.Actor.Issuer), []byte(by.Actor.Subject), []byte(by.Actor.SessionID), []byte(by.Actor.Type), []byte(r.Cause),
		[]byte(signal.Source), []byte(signal.Issuer), []byte(signal.Type), []byte(signal.MessageID))
}

func targetName(t store.Target) []byte { return digest(t.Kind, t.Issuer, t.Value, t.Subject) }

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context, after store.Revocation, limit int) (page []store.Revocation, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var given, standby bool
	before := s.Epoch()
	// In one batch, and so from one server: between two of them another may have taken over.
	err = s.explain(s.batch(ctx,
		command{selectGiven, []int64{after.Sequence, store.Micros(after.CreatedAt)}, func(rows pgx.Rows) error {
			return s.readGiven(rows, &standby, &given)
		}},
		command{selectChanges, []int64{after.Sequence, int64(limit)}, func(rows pgx.Rows) (err error) {
			page, err = collect(rows, (*scanned).change)
			return err
		}}))
	if err == nil && after.Sequence != 0 && (!given || s.Epoch() != before) {
		err = store.ErrNotGiven
	}
	if err != nil {
		return nil, fmt.Errorf("list changes after %d: %w", after.Sequence, err)
	}
	if standby && len(page) == 0 {
		s.pool.Reset() // the next connection may lead to the primary
		return nil, store.ErrStandby
	}
	return page, nil
}

// readGiven reads the row of selectGiven.
func (s *Store) readGiven(rows pgx.Rows, standby, given *bool) error {
	var epoch []byte
	_, err := pgx.ForEachRow(rows, []any{standby, &epoch, given}, func() error { return s.setEpoch(epoch) })
	return err
}

// A command of a batch, whose arguments are numbers.
type command struct {
	sql  string
	args []int64
	read func(pgx.Rows) error
}

// batch sends commands together. Their rows come in the binary format, which takes half
// the time, and which pgx does not ask for where it prepares no statement.
func (s *Store) batch(ctx context.Context, commands ...command) error {
	return s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		var batch pgconn.Batch
		for _, c := range commands {
			args := make([][]byte, len(c.args))
			for i, arg := range c.args {
				args[i] = strconv.AppendInt(nil, arg, 10)
			}
			batch.ExecParams(c.sql, args, nil, nil, []int16{pgx.BinaryFormatCode})
		}
		results := conn.Conn().PgConn().ExecBatch(ctx, &batch)
		for _, c := range commands {
			if !results.NextResult() {
				break
			}
			if err := c.read(pgx.RowsFromResultReader(conn.Conn().TypeMap(), results.ResultReader())); err != nil {
				return errors.Join(err, results.Close())
			}
		}
		return results.Close()
	})
}

// scanned is the revocation of a row. It is used for one row after the other.
type scanned struct {
	store.Revocation

	id                                 randomID
	issuedBefore, expiresAt, createdAt int64
}

// change returns where the columns of a change go.
func (s *scanned) change() []any {
	target := &s.Target
	return []any{
		&s.Sequence, &s.id, (*text)(&target.Kind), (*text)(&target.Issuer), (*text)(&target.Value), (*text)(&target.Subject),
		&s.issuedBefore, &s.expiresAt, &s.createdAt,
	}
}

// all returns where the columns of a revocation go.
func (s *scanned) all() []any {
	by, signal := &s.Origin.Caller, &s.Origin.Signal
	return append(s.change(), (*text)(&s.Origin.Kind), (*text)(&by.Issuer), (*text)(&by.Subject), (*text)(&by.ClientID), (*text)(&by.SessionID),
		(*text)(&by.Actor.Issuer), (*text)(&by.Actor.Subject), (*text)(&by.Actor.SessionID), (*text)(&by.Actor.Type), (*text)(&s.Cause),
		(*text)(&signal.Source), (*text)(&signal.Issuer), (*text)(&signal.Type), (*text)(&signal.MessageID))
}

// collect reads all rows of revocations.
func collect(rows pgx.Rows, columns func(*scanned) []any) (all []store.Revocation, err error) {
	var one scanned
	_, err = pgx.ForEachRow(rows, columns(&one), func() error {
		r := one.Revocation
		r.ID = one.id
		r.IssuedBefore, r.ExpiresAt, r.CreatedAt = store.FromMicros(one.issuedBefore), store.FromMicros(one.expiresAt), store.FromMicros(one.createdAt)
		all = append(all, r)
		return nil
	})
	return all, err
}

// Strongest implements store.Store.
func (s *Store) Strongest(ctx context.Context, targets []store.Target, now time.Time) ([]store.Revocation, error) {
	names := make([][]byte, len(targets))
	for i, t := range targets {
		names[i] = targetName(t)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, _ := s.pool.Query(ctx, selectStrongest, names, store.Micros(now)) // collect returns the error
	found, err := collect(rows, (*scanned).all)
	if err = s.explain(err); err != nil {
		return nil, fmt.Errorf("find revocations: %w", err)
	}
	return found, nil
}

const insertAnswer = `INSERT INTO ostiary.answers (call, hash, answer, given_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`

// saveAnswer keeps the answer of the call that has saved these revocations.
func saveAnswer(ctx context.Context, tx pgx.Tx, answer *store.Answer, saved []store.Revocation) error {
	encoded, err := answer.Encode(saved)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, insertAnswer, callName(answer.Call), answer.Hash, encoded, store.Micros(answer.At))
	if err == nil && tag.RowsAffected() == 0 {
		return store.ErrAnswered
	}
	return err
}

func callName(c store.Call) []byte { return digest(c.Issuer, c.Subject, c.Procedure, c.RequestID) }

// Answer implements store.Store.
func (s *Store) Answer(ctx context.Context, call store.Call) (hash, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, `SELECT hash, answer FROM ostiary.answers WHERE call = $1`, callName(call)).Scan(&hash, &answer)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, fmt.Errorf("find an answer: %w", s.explain(err))
	}
	return hash, answer, nil
}
