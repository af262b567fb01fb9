package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

// The orders of sessions, and what is behind a session in them.
var orders = map[store.Order]struct{ column, direction, behind, upTo string }{
	store.FirstSeenDesc: {"first_seen", " DESC", " < ", " >= "},
	store.FirstSeenAsc:  {"first_seen", "", " > ", " <= "},
	store.LastSeenDesc:  {"last_seen", " DESC", " < ", " >= "},
}

// Sessions implements store.Store.
func (s *Store) Sessions(ctx context.Context, listing store.Listing, limit int) ([]store.Session, error) {
	return s.sessions(ctx, sessionColumns, scanSession, listing, limit)
}

// SessionNames implements store.Store.
func (s *Store) SessionNames(ctx context.Context, listing store.Listing, limit int) ([]store.Session, error) {
	return s.sessions(ctx, nameColumns, scanName, listing, limit)
}

func (s *Store) sessions(ctx context.Context, columns string, scan func(pgx.CollectableRow) (store.Session, error), listing store.Listing, limit int) ([]store.Session, error) {
	if len(listing.View) == 0 {
		return nil, nil
	}
	var b binder
	o := orders[listing.Order]
	sql := `SELECT ` + columns + ` FROM ostiary.sessions WHERE ` + b.listing(listing) +
		` ORDER BY ` + o.column + o.direction + `, issuer` + o.direction + `, session_id` + o.direction + `, subject` + o.direction + ` LIMIT ` + b.bind(limit)
	found, err := query(ctx, s, scan, sql, b.args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return found, nil
}

// CountSessions implements store.Store.
func (s *Store) CountSessions(ctx context.Context, listing store.Listing) (int64, error) {
	if len(listing.View) == 0 {
		return 0, nil
	}
	var b binder
	counts, err := query(ctx, s, pgx.RowTo[int64], `SELECT COUNT(*) FROM ostiary.sessions WHERE `+b.listing(listing), b.args...)
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return counts[0], nil
}

// TimeAt implements store.Store. It reads an index alone.
func (s *Store) TimeAt(ctx context.Context, listing store.Listing, n int) (time.Time, error) {
	if len(listing.View) == 0 {
		return time.Time{}, nil
	}
	var b binder
	order := orders[listing.Order]
	sql := `SELECT ` + order.column + ` FROM ostiary.sessions WHERE ` + b.place(store.Listing{View: listing.View, Order: listing.Order, After: listing.After}) +
		` ORDER BY ` + order.column + order.direction + ` LIMIT 1 OFFSET ` + b.bind(n-1)
	times, err := query(ctx, s, pgx.RowTo[int64], sql, b.args...)
	if err != nil {
		return time.Time{}, fmt.Errorf("find a place among sessions: %w", err)
	}
	if len(times) == 0 {
		return time.Time{}, nil
	}
	return store.FromMicros(times[0]), nil
}

// A binder makes conditions, and has the values that they bind. Only constants get into
// their text.
type binder struct{ args []any }

// bind returns the placeholder for a value.
func (b *binder) bind(value any) string {
	b.args = append(b.args, value)
	return "$" + strconv.Itoa(len(b.args))
}

// listing returns the condition that a session belongs to a listing.
func (b *binder) listing(l store.Listing) string {
	condition := b.place(l)
	if l.Prefix != "" {
		from, end := b.bind([]byte(l.Prefix)), ""
		if after := store.PrefixEnd(l.Prefix); after != "" {
			end = b.bind([]byte(after))
		}
		var alternatives []string
		for _, column := range []string{"session_id", "subject", "organization"} {
			alternative := column + " >= " + from
			if end != "" {
				alternative += " AND " + column + " < " + end
			}
			alternatives = append(alternatives, alternative)
		}
		condition += " AND (" + strings.Join(alternatives, " OR ") + ")"
	}
	if !l.LastSeenBefore.IsZero() {
		condition += " AND last_seen < " + b.bind(store.Micros(l.LastSeenBefore))
	}
	if !l.ExpiresAfter.IsZero() {
		condition += " AND (expires_at > " + b.bind(store.Micros(l.ExpiresAfter)) + " OR expires_at = 0)"
	}
	if !l.ExpiresBy.IsZero() {
		condition += " AND expires_at <= " + b.bind(store.Micros(l.ExpiresBy)) + " AND expires_at <> 0"
	}
	if l.Service != nil {
		condition += " AND EXISTS (SELECT 1 FROM ostiary.sightings s WHERE s.name = sessions.name AND s.service = " + b.bind([]byte(*l.Service)) + ")"
	}
	return condition
}

// place returns the condition that a session is within the view of a listing, and between
// its After and its Until.
func (b *binder) place(l store.Listing) string {
	condition, order := b.view(l.View), orders[l.Order]
	if l.After != (store.Session{}) {
		condition += ` AND (` + order.column + `, issuer, session_id, subject)` + order.behind + `(` +
			b.bind(store.Micros(l.Order.Time(l.After))) + `, ` + b.bind([]byte(l.After.Issuer)) + `, ` + b.bind([]byte(l.After.ID)) + `, ` + b.bind([]byte(l.After.Subject)) + `)`
	}
	if !l.Until.IsZero() {
		condition += ` AND ` + order.column + order.upTo + b.bind(store.Micros(l.Until))
	}
	return condition
}

// view returns the condition that a session is within the view.
func (b *binder) view(view store.View) string {
	alternatives := make([]string, len(view))
	for i, filter := range view {
		conditions := []string{"true"}
		if filter.Issuer != "" {
			conditions = append(conditions, "issuer = "+b.bind([]byte(filter.Issuer)))
		}
		for _, c := range []struct{ column, value string }{
			{"session_id", filter.ID}, {"subject", filter.Subject}, {"client_id", filter.ClientID},
		} {
			if c.value != "" {
				conditions = append(conditions, "sha256("+c.column+") = "+b.bind(digestOne(c.value)))
			}
		}
		if filter.Organization != nil {
			conditions = append(conditions, "sha256(organization) = "+b.bind(digestOne(*filter.Organization)))
		}
		alternatives[i] = strings.Join(conditions, " AND ")
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}
