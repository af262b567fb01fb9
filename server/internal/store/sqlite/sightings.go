package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/server/internal/store"
)

const sightingColumns = `service, first_seen, last_seen, authorized_party, client_id, user_agent, address`

const selectSighting = `SELECT ` + sightingColumns + ` FROM sightings WHERE issuer = $1 AND session_id = $2 AND subject = $3 AND service = $4`

const selectSightings = `SELECT ` + sightingColumns + ` FROM sightings WHERE issuer = $1 AND session_id = $2 AND subject = $3
	ORDER BY last_seen DESC, service LIMIT $4`

const upsertSighting = `INSERT INTO sightings (issuer, session_id, subject, ` + sightingColumns + `)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
	ON CONFLICT (issuer, session_id, subject, service) DO UPDATE SET
		first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		authorized_party = excluded.authorized_party, client_id = excluded.client_id,
		user_agent = excluded.user_agent, address = excluded.address`

const deleteSightings = `DELETE FROM sightings WHERE issuer = $1 AND session_id = $2 AND subject = $3 AND service NOT IN (
	SELECT service FROM sightings WHERE issuer = $1 AND session_id = $2 AND subject = $3 ORDER BY last_seen DESC, service LIMIT $4)`

// saveSighting saves the sighting of a session that was seen, and returns what was kept of
// it before.
func saveSighting(ctx context.Context, tx *sql.Tx, seen store.Session) (before store.Sighting, err error) {
	before, err = scanSighting(tx.QueryRowContext(ctx, selectSighting, seen.Issuer, seen.ID, seen.Subject, seen.Service))
	isNew := errors.Is(err, sql.ErrNoRows)
	if err != nil && !isNew {
		return before, err
	}
	merged := before.Merge(store.SightingOf(seen))
	if _, err := tx.ExecContext(ctx, upsertSighting, seen.Issuer, seen.ID, seen.Subject, merged.Service, store.Micros(merged.FirstSeen),
		store.Micros(merged.LastSeen), merged.AuthorizedParty, merged.ClientID, merged.UserAgent, merged.Address); err != nil {
		return before, err
	}
	if isNew {
		_, err = tx.ExecContext(ctx, deleteSightings, seen.Issuer, seen.ID, seen.Subject, store.MaxSightings)
		return before, err
	}
	return before, nil
}

// Sightings implements store.Store.
func (s *Store) Sightings(ctx context.Context, sessions []store.Session) ([][]store.Sighting, error) {
	statement, err := s.db.PrepareContext(ctx, selectSightings)
	if err != nil {
		return nil, fmt.Errorf("list sightings: %w", explain(err))
	}
	defer func() { _ = statement.Close() }()
	all := make([][]store.Sighting, len(sessions))
	for i, session := range sessions {
		rows, err := statement.QueryContext(ctx, session.Issuer, session.ID, session.Subject, store.MaxSightings)
		if err != nil {
			return nil, fmt.Errorf("list sightings: %w", explain(err))
		}
		if all[i], err = collect(rows, scanSighting); err != nil {
			return nil, fmt.Errorf("list sightings: %w", err)
		}
	}
	return all, nil
}

func scanSighting(r row) (store.Sighting, error) {
	var s store.Sighting
	var firstSeen, lastSeen int64
	err := r.Scan(&s.Service, &firstSeen, &lastSeen, &s.AuthorizedParty, &s.ClientID, &s.UserAgent, &s.Address)
	s.FirstSeen, s.LastSeen = store.FromMicros(firstSeen), store.FromMicros(lastSeen)
	return s, err
}
