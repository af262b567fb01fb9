package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const sessionColumns = `issuer, session_id, subject, organization, authorized_party,
	user_agent, address, first_seen, last_seen, token_id, client_id,
	actor_issuer, actor_subject, actor_session_id, actor_type, issued_at, expires_at`

// nameColumns are those by which sessions are in order.
const nameColumns = `issuer, session_id, subject, first_seen`

const selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE issuer = $1 AND session_id = $2 AND subject = $3`

const upsertSession = `INSERT INTO sessions (` + sessionColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
	ON CONFLICT (issuer, session_id, subject) DO UPDATE SET
		organization = excluded.organization,
		authorized_party = excluded.authorized_party,
		user_agent = excluded.user_agent, address = excluded.address,
		first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		token_id = excluded.token_id, client_id = excluded.client_id,
		actor_issuer = excluded.actor_issuer, actor_subject = excluded.actor_subject,
		actor_session_id = excluded.actor_session_id, actor_type = excluded.actor_type,
		issued_at = excluded.issued_at, expires_at = excluded.expires_at`

const selectExpired = `SELECT ` + sessionColumns + ` FROM sessions
	WHERE expires_at <= $1 AND (expires_at, issuer, session_id, subject) > ($2, $3, $4, $5)
	ORDER BY expires_at, issuer, session_id, subject LIMIT $6`

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
			token := &merged.Token
			if _, err := tx.ExecContext(ctx, upsertSession, merged.Issuer, merged.ID, merged.Subject, merged.Organization,
				merged.AuthorizedParty, merged.UserAgent, merged.Address, store.Micros(merged.FirstSeen), store.Micros(merged.LastSeen),
				token.ID, token.ClientID, token.Actor.Issuer, token.Actor.Subject, token.Actor.SessionID, token.Actor.Type,
				store.Micros(token.IssuedAt), store.Micros(token.ExpiresAt)); err != nil {
				return err
			}
			known, err := saveSighting(ctx, tx, session)
			if err != nil {
				return err
			}
			before[i] = before[i].SeenAs(known)
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
	return s.sessions(ctx, sessionColumns, scanSession, view, after, limit)
}

// SessionNames implements store.Store.
func (s *Store) SessionNames(ctx context.Context, view store.View, after store.Session, limit int) ([]store.Session, error) {
	return s.sessions(ctx, nameColumns, scanName, view, after, limit)
}

func (s *Store) sessions(ctx context.Context, columns string, scan func(row) (store.Session, error), view store.View, after store.Session, limit int) ([]store.Session, error) {
	if len(view) == 0 {
		return nil, nil
	}
	var q query
	q.text.WriteString(`SELECT ` + columns + ` FROM sessions WHERE ` + q.view(view))
	if after != (store.Session{}) {
		q.text.WriteString(` AND (first_seen, issuer, session_id, subject) < (` +
			q.bind(store.Micros(after.FirstSeen)) + `, ` + q.bind(after.Issuer) + `, ` + q.bind(after.ID) + `, ` + q.bind(after.Subject) + `)`)
	}
	q.text.WriteString(` ORDER BY first_seen DESC, issuer DESC, session_id DESC, subject DESC LIMIT ` + q.bind(limit))
	rows, err := s.db.QueryContext(ctx, q.text.String(), q.args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", explain(err))
	}
	return collect(rows, scan)
}

// Expired implements store.Store.
func (s *Store) Expired(ctx context.Context, after store.Session, expiredBy time.Time, limit int) ([]store.Session, error) {
	rows, err := s.db.QueryContext(ctx, selectExpired, store.Micros(expiredBy), store.Micros(after.Token.ExpiresAt), after.Issuer, after.ID, after.Subject, limit)
	if err != nil {
		return nil, fmt.Errorf("list expired sessions: %w", explain(err))
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
	return "?" + strconv.Itoa(len(q.args)) // SQLite finds $1 by its name, which is slow among many
}

// view returns the condition that a session is within the view.
func (q *query) view(view store.View) string {
	alternatives := make([]string, len(view))
	for i, filter := range view {
		conditions := []string{"1 = 1"}
		for _, c := range []struct{ column, value string }{
			{"issuer", filter.Issuer}, {"session_id", filter.ID}, {"subject", filter.Subject}, {"client_id", filter.ClientID},
		} {
			if c.value != "" {
				conditions = append(conditions, c.column+" = "+q.bind(c.value))
			}
		}
		if filter.Organization != nil {
			conditions = append(conditions, "organization = "+q.bind(*filter.Organization))
		}
		alternatives[i] = strings.Join(conditions, " AND ")
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

// A row is an *sql.Row, or *sql.Rows at one of them.
type row interface{ Scan(dest ...any) error }

func scanName(r row) (s store.Session, err error) {
	var firstSeen int64
	err = r.Scan(&s.Issuer, &s.ID, &s.Subject, &firstSeen)
	s.FirstSeen = store.FromMicros(firstSeen)
	return s, err
}

func scanSession(r row) (store.Session, error) {
	var s store.Session
	var firstSeen, lastSeen, issuedAt, expiresAt int64
	token := &s.Token
	err := r.Scan(&s.Issuer, &s.ID, &s.Subject, &s.Organization, &s.AuthorizedParty, &s.UserAgent, &s.Address,
		&firstSeen, &lastSeen, &token.ID, &token.ClientID,
		&token.Actor.Issuer, &token.Actor.Subject, &token.Actor.SessionID, &token.Actor.Type, &issuedAt, &expiresAt)
	s.FirstSeen, s.LastSeen = store.FromMicros(firstSeen), store.FromMicros(lastSeen)
	token.IssuedAt, token.ExpiresAt = store.FromMicros(issuedAt), store.FromMicros(expiresAt)
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
