package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/server/internal/store"
)

const sessionColumns = `issuer, session_id, subject, organization, authorized_party,
	user_agent, address, first_seen, last_seen, issued_at, expires_at`

const selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE issuer = $1 AND session_id = $2 AND subject = $3`

const upsertSession = `INSERT INTO sessions (` + sessionColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
	ON CONFLICT (issuer, session_id, subject) DO UPDATE SET
		organization = excluded.organization,
		authorized_party = excluded.authorized_party,
		user_agent = excluded.user_agent, address = excluded.address,
		first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		issued_at = excluded.issued_at, expires_at = excluded.expires_at`

// SaveSessions implements store.Store.
func (s *Store) SaveSessions(ctx context.Context, seen []store.Session) (before []store.Session, err error) {
	before = make([]store.Session, len(seen))
	err = s.transact(ctx, func(tx *sql.Tx) error {
		for i, session := range seen {
			before[i], err = scanSession(tx.QueryRowContext(ctx, selectSession, session.Issuer, session.ID, session.Subject))
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			merged := before[i].Merge(session)
			if _, err := tx.ExecContext(ctx, upsertSession, merged.Issuer, merged.ID, merged.Subject, merged.Organization,
				merged.AuthorizedParty, merged.UserAgent, merged.Address, micros(merged.FirstSeen), micros(merged.LastSeen),
				micros(merged.IssuedAt), micros(merged.ExpiresAt)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("save sessions: %w", err)
	}
	return before, nil
}

// Sessions implements store.Store.
func (s *Store) Sessions(ctx context.Context, view store.View, after store.Session, limit int) ([]store.Session, error) {
	if len(view) == 0 {
		return nil, nil
	}
	var q query
	q.text.WriteString(`SELECT ` + sessionColumns + ` FROM sessions WHERE ` + q.view(view))
	if after != (store.Session{}) {
		q.text.WriteString(` AND (first_seen, issuer, session_id, subject) < (` +
			q.bind(micros(after.FirstSeen)) + `, ` + q.bind(after.Issuer) + `, ` + q.bind(after.ID) + `, ` + q.bind(after.Subject) + `)`)
	}
	q.text.WriteString(` ORDER BY first_seen DESC, issuer DESC, session_id DESC, subject DESC LIMIT ` + q.bind(limit))
	rows, err := s.db.QueryContext(ctx, q.text.String(), q.args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", explain(err))
	}
	return collect(rows, scanSession)
}

// A query is SQL and what it binds. Only constants get into the text.
type query struct {
	text strings.Builder
	args []any
}

// bind returns the placeholder for a value.
func (q *query) bind(value any) string {
	q.args = append(q.args, value)
	return fmt.Sprintf("$%d", len(q.args))
}

// view returns the condition that a session is within the view.
func (q *query) view(view store.View) string {
	alternatives := make([]string, len(view))
	for i, filter := range view {
		conditions := []string{"1 = 1"}
		for _, c := range []struct{ column, value string }{
			{"issuer", filter.Issuer}, {"session_id", filter.ID}, {"subject", filter.Subject}, {"organization", filter.Organization},
		} {
			if c.value != "" {
				conditions = append(conditions, c.column+" = "+q.bind(c.value))
			}
		}
		alternatives[i] = strings.Join(conditions, " AND ")
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

// A row is an *sql.Row, or *sql.Rows at one of them.
type row interface{ Scan(dest ...any) error }

func scanSession(r row) (store.Session, error) {
	var s store.Session
	var firstSeen, lastSeen, issuedAt, expiresAt int64
	err := r.Scan(&s.Issuer, &s.ID, &s.Subject, &s.Organization, &s.AuthorizedParty, &s.UserAgent, &s.Address,
		&firstSeen, &lastSeen, &issuedAt, &expiresAt)
	s.FirstSeen, s.LastSeen = fromMicros(firstSeen), fromMicros(lastSeen)
	s.IssuedAt, s.ExpiresAt = fromMicros(issuedAt), fromMicros(expiresAt)
	return s, err
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(row) (T, error)) (all []T, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, explain(err)
		}
		all = append(all, one)
	}
	return all, explain(rows.Err())
}
