package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

const sightingColumns = `name, service, first_seen, last_seen, authorized_party, client_id, user_agent, address`

const selectSightings = `SELECT ` + sightingColumns + ` FROM ostiary.sightings WHERE name = ANY ($1) ORDER BY last_seen DESC, service`

const upsertSighting = `INSERT INTO ostiary.sightings (` + sightingColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (name, service) DO UPDATE SET
		first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		authorized_party = excluded.authorized_party, client_id = excluded.client_id,
		user_agent = excluded.user_agent, address = excluded.address`

const deleteSightings = `DELETE FROM ostiary.sightings WHERE name = $1 AND service NOT IN (
	SELECT service FROM ostiary.sightings WHERE name = $1 ORDER BY last_seen DESC, service LIMIT $2)`

// sightings are those of some sessions, by the session's name, the latest first.
type sightings map[string][]store.Sighting

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func sightingsOf(ctx context.Context, db querier, names [][]byte) (sightings, error) {
	rows, _ := db.Query(ctx, selectSightings, names) // ForEachRow returns the error
	found := make(sightings)
	var name []byte
	var s store.Sighting
	var firstSeen, lastSeen int64
	into := []any{&name, (*text)(&s.Service), &firstSeen, &lastSeen, (*text)(&s.AuthorizedParty), (*text)(&s.ClientID), (*text)(&s.UserAgent), (*text)(&s.Address)}
	_, err := pgx.ForEachRow(rows, into, func() error {
		s.FirstSeen, s.LastSeen = store.FromMicros(firstSeen), store.FromMicros(lastSeen)
		found[string(name)] = append(found[string(name)], s)
		return nil
	})
	return found, err
}

// save has the sighting of a session saved that was seen, and returns what was known of it
// before.
func (known sightings) save(batch *pgx.Batch, name []byte, seen store.Session) (before store.Sighting) {
	all := known[string(name)]
	at := len(all)
	for i, s := range all {
		if s.Service == seen.Service {
			at, before = i, s
		}
	}
	merged := before.Merge(store.SightingOf(seen))
	batch.Queue(upsertSighting, name, []byte(merged.Service), store.Micros(merged.FirstSeen), store.Micros(merged.LastSeen),
		[]byte(merged.AuthorizedParty), []byte(merged.ClientID), []byte(merged.UserAgent), []byte(merged.Address))
	if at == len(all) {
		known[string(name)] = append(all, merged)
		batch.Queue(deleteSightings, name, store.MaxSightings)
	} else {
		all[at] = merged
	}
	return before
}

// Sightings implements store.Store.
func (s *Store) Sightings(ctx context.Context, sessions []store.Session) ([][]store.Sighting, error) {
	names := make([][]byte, len(sessions))
	for i, session := range sessions {
		names[i] = sessionName(session)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found, err := sightingsOf(ctx, s.pool, names)
	if err != nil {
		return nil, fmt.Errorf("list sightings: %w", s.explain(err))
	}
	all := make([][]store.Sighting, len(sessions))
	for i, name := range names {
		all[i] = found[string(name)]
	}
	return all, nil
}
