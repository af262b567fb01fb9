package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// Expired implements store.Store.
func (s *Store) Expired(ctx context.Context, after store.Session, expiredBy time.Time, limit int) ([]store.Session, error) {
	rows, err := s.db.QueryContext(ctx, selectExpired, store.Micros(expiredBy), store.Micros(after.Token.ExpiresAt), after.Issuer, after.ID, after.Subject, limit)
	if err != nil {
		return nil, fmt.Errorf("list expired sessions: %w", explain(err))
	}
	return collect(rows, scanSession)
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
