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

func (s *Store) sessions(ctx context.Context, columns string, scan func(row) (store.Session, error), listing store.Listing, limit int) ([]store.Session, error) {
	if len(listing.View) == 0 {
		return nil, nil
	}
	q := selectSessions(columns, listing, limit)
	rows, err := s.db.QueryContext(ctx, q.text.String(), q.args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", explain(err))
	}
	return collect(rows, scan)
}

func selectSessions(columns string, listing store.Listing, limit int) *query {
	q := new(query)
	q.text.WriteString(`SELECT ` + columns + ` FROM sessions WHERE ` + q.listing(listing) + inOrder(listing.Order) + ` LIMIT ` + q.bind(limit))
	return q
}

// CountSessions implements store.Store.
func (s *Store) CountSessions(ctx context.Context, listing store.Listing) (count int64, err error) {
	if len(listing.View) == 0 {
		return 0, nil
	}
	var q query
	q.text.WriteString(`SELECT COUNT(*) FROM sessions WHERE ` + q.listing(listing))
	if err := s.db.QueryRowContext(ctx, q.text.String(), q.args...).Scan(&count); err != nil {
		return 0, fmt.Errorf("count sessions: %w", explain(err))
	}
	return count, nil
}

// TimeAt implements store.Store. It reads an index alone.
func (s *Store) TimeAt(ctx context.Context, listing store.Listing, n int) (time.Time, error) {
	if len(listing.View) == 0 {
		return time.Time{}, nil
	}
	var q query
	var at int64
	order := orders[listing.Order]
	q.text.WriteString(`SELECT ` + order.column + ` FROM sessions WHERE ` + q.place(store.Listing{View: listing.View, Order: listing.Order, After: listing.After}) +
		` ORDER BY ` + order.column + order.direction + ` LIMIT 1 OFFSET ` + q.bind(n-1))
	err := s.db.QueryRowContext(ctx, q.text.String(), q.args...).Scan(&at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("find a place among sessions: %w", explain(err))
	}
	return store.FromMicros(at), nil
}

func inOrder(order store.Order) string {
	o := orders[order]
	return ` ORDER BY ` + o.column + o.direction + `, issuer` + o.direction + `, session_id` + o.direction + `, subject` + o.direction
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

// listing returns the condition that a session belongs to a listing.
func (q *query) listing(l store.Listing) string {
	condition := q.place(l)
	if l.Prefix != "" {
		from, end := q.bind(l.Prefix), ""
		if after := store.PrefixEnd(l.Prefix); after != "" {
			end = q.bind(after)
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
		column := "last_seen"
		if l.Order != store.LastSeenDesc {
			column = "+last_seen" // or its index would find very many, to be sorted
		}
		condition += " AND " + column + " < " + q.bind(store.Micros(l.LastSeenBefore))
	}
	if !l.ExpiresAfter.IsZero() {
		condition += " AND (+expires_at > " + q.bind(store.Micros(l.ExpiresAfter)) + " OR +expires_at = 0)"
	}
	if !l.ExpiresBy.IsZero() {
		condition += " AND +expires_at <= " + q.bind(store.Micros(l.ExpiresBy)) + " AND +expires_at <> 0"
	}
	if l.Service != nil {
		condition += ` AND EXISTS (SELECT 1 FROM sightings s WHERE s.issuer = sessions.issuer AND s.session_id = sessions.session_id
			AND s.subject = sessions.subject AND s.service = ` + q.bind(*l.Service) + `)`
	}
	return condition
}

// place returns the condition that a session is within the view of a listing, and between
// its After and its Until.
func (q *query) place(l store.Listing) string {
	condition, order := q.view(l.View), orders[l.Order]
	if l.After != (store.Session{}) {
		condition += ` AND (` + order.column + `, issuer, session_id, subject)` + order.behind + `(` +
			q.bind(store.Micros(l.Order.Time(l.After))) + `, ` + q.bind(l.After.Issuer) + `, ` + q.bind(l.After.ID) + `, ` + q.bind(l.After.Subject) + `)`
	}
	if !l.Until.IsZero() {
		condition += ` AND ` + order.column + order.upTo + q.bind(store.Micros(l.Until))
	}
	return condition
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
		if filter.Issuer != "" && filter.ID == "" {
			conditions[1] = "+" + conditions[1] // it names too many for an index to find and to sort
		}
		if filter.Organization != nil {
			column := "organization"
			if filter.Subject != "" || filter.ID != "" {
				column = "+organization" // which has more sessions than a subject
			}
			conditions = append(conditions, column+" = "+q.bind(*filter.Organization))
		}
		alternatives[i] = strings.Join(conditions, " AND ")
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}
