package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

// sessionsLock is the advisory lock of the one transaction at a time that writes sessions,
// so that two neither merge with what the other replaces nor wait for each other's rows.
// Nobody who revokes waits for it.
const (
	sessionsLock int64 = 0x6f73746961727902
	lock               = `SELECT pg_advisory_xact_lock($1)`
)

const sessionColumns = `issuer, session_id, subject, organization, authorized_party,
	user_agent, address, first_seen, last_seen, token_id, client_id,
	actor_issuer, actor_subject, actor_session_id, actor_type, issued_at, expires_at`

// nameColumns are those by which sessions are in order.
const nameColumns = `issuer, session_id, subject, first_seen`

const selectNamed = `SELECT ` + sessionColumns + ` FROM ostiary.sessions WHERE name = ANY ($1)`

const upsertSession = `INSERT INTO ostiary.sessions (` + sessionColumns + `, name)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
	ON CONFLICT (name) DO UPDATE SET
		organization = excluded.organization,
		authorized_party = excluded.authorized_party,
		user_agent = excluded.user_agent, address = excluded.address,
		first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		token_id = excluded.token_id, client_id = excluded.client_id,
		actor_issuer = excluded.actor_issuer, actor_subject = excluded.actor_subject,
		actor_session_id = excluded.actor_session_id, actor_type = excluded.actor_type,
		issued_at = excluded.issued_at, expires_at = excluded.expires_at`

const selectExpired = `SELECT ` + sessionColumns + ` FROM ostiary.sessions
	WHERE expires_at <= $1 AND (expires_at, issuer, session_id, subject) > ($2, $3, $4, $5)
	ORDER BY expires_at, issuer, session_id, subject LIMIT $6`

// A sessionKey names a session.
type sessionKey struct{ issuer, id, subject string }

func keyOf(s store.Session) sessionKey { return sessionKey{s.Issuer, s.ID, s.Subject} }

func sessionName(s store.Session) []byte { return digest(s.Issuer, s.ID, s.Subject) }

// SaveSessions implements store.Store. It does not wait for the disk: what was seen in the
// last second before a crash is seen again, or not worth a sync each time.
func (s *Store) SaveSessions(ctx context.Context, seen []store.Session) (before []store.Session, err error) {
	names := make([][]byte, len(seen))
	for i, session := range seen {
		names[i] = sessionName(session)
	}
	err = s.transact(ctx, soon, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lock, sessionsLock); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, selectNamed, names) // AppendRows returns the error
		kept, err := pgx.AppendRows([]store.Session(nil), rows, scanSession)
		if err != nil {
			return err
		}
		merged := make(map[sessionKey]store.Session)
		for _, session := range kept {
			merged[keyOf(session)] = session
		}
		known, err := sightingsOf(ctx, tx, names)
		if err != nil {
			return err
		}
		before = make([]store.Session, len(seen))
		var batch pgx.Batch
		for i, session := range seen {
			kept := merged[keyOf(session)]
			one := kept.Merge(session)
			merged[keyOf(session)] = asKept(one)
			token := &one.Token
			batch.Queue(upsertSession, []byte(one.Issuer), []byte(one.ID), []byte(one.Subject), []byte(one.Organization),
				[]byte(one.AuthorizedParty), []byte(one.UserAgent), []byte(one.Address), store.Micros(one.FirstSeen), store.Micros(one.LastSeen),
				[]byte(token.ID), []byte(token.ClientID), []byte(token.Actor.Issuer), []byte(token.Actor.Subject), []byte(token.Actor.SessionID), []byte(token.Actor.Type),
				store.Micros(token.IssuedAt), store.Micros(token.ExpiresAt), names[i])
			before[i] = kept.SeenAs(known.save(&batch, names[i], session))
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("save sessions: %w", err)
	}
	return before, nil
}

// Expired implements store.Store.
func (s *Store) Expired(ctx context.Context, after store.Session, expiredBy time.Time, limit int) ([]store.Session, error) {
	found, err := query(ctx, s, scanSession, selectExpired, store.Micros(expiredBy), store.Micros(after.Token.ExpiresAt),
		[]byte(after.Issuer), []byte(after.ID), []byte(after.Subject), limit)
	if err != nil {
		return nil, fmt.Errorf("list expired sessions: %w", err)
	}
	return found, nil
}

// asKept returns a session as it comes back.
func asKept(s store.Session) store.Session {
	for _, t := range []*time.Time{&s.FirstSeen, &s.LastSeen, &s.Token.IssuedAt, &s.Token.ExpiresAt} {
		*t = store.FromMicros(store.Micros(*t))
	}
	return s
}

func scanName(row pgx.CollectableRow) (s store.Session, err error) {
	var firstSeen int64
	err = row.Scan((*text)(&s.Issuer), (*text)(&s.ID), (*text)(&s.Subject), &firstSeen)
	s.FirstSeen = store.FromMicros(firstSeen)
	return s, err
}

func scanSession(row pgx.CollectableRow) (store.Session, error) {
	var s store.Session
	var firstSeen, lastSeen, issuedAt, expiresAt int64
	token := &s.Token
	err := row.Scan((*text)(&s.Issuer), (*text)(&s.ID), (*text)(&s.Subject), (*text)(&s.Organization), (*text)(&s.AuthorizedParty),
		(*text)(&s.UserAgent), (*text)(&s.Address), &firstSeen, &lastSeen, (*text)(&token.ID), (*text)(&token.ClientID),
		(*text)(&token.Actor.Issuer), (*text)(&token.Actor.Subject), (*text)(&token.Actor.SessionID), (*text)(&token.Actor.Type), &issuedAt, &expiresAt)
	s.FirstSeen, s.LastSeen = store.FromMicros(firstSeen), store.FromMicros(lastSeen)
	token.IssuedAt, token.ExpiresAt = store.FromMicros(issuedAt), store.FromMicros(expiresAt)
	return s, err
}
