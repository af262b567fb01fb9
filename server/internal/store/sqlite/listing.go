package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/server/internal/store"
)

// An order is SQL by which sessions are ordered. In its conditions, :time, :issuer, :id and
// :subject are those of a place.
type order struct {
	key    string // the columns of its key: a time, an issuer and a subject
	byKey  string // orders keys
	rest   string // orders what has the same key
	behind string // the condition that a session is behind a place
	upTo   string // the condition that the key of a session is not behind that of a place
}

var orders = map[store.Order]order{
	store.FirstSeenDesc: byTime("first_seen", " DESC", "<", ">="),
	store.FirstSeenAsc:  byTime("first_seen", "", ">", "<="),
	store.LastSeenDesc:  byTime("last_seen", " DESC", "<", ">="),
	store.BySubject: {
		key:    `0, issuer, subject`,
		byKey:  `subject, issuer`,
		rest:   `first_seen DESC, session_id DESC`,
		behind: `(subject, issuer) >= (:subject, :issuer) AND ((subject, issuer) > (:subject, :issuer) OR (first_seen, session_id) < (:time, :id))`,
		upTo:   `(subject, issuer) <= (:subject, :issuer)`,
	},
}

func byTime(column, direction, behind, upTo string) order {
	return order{
		key:    column + `, '', ''`,
		byKey:  column + direction,
		rest:   `issuer` + direction + `, session_id` + direction + `, subject` + direction,
		behind: `(` + column + `, issuer, session_id, subject) ` + behind + ` (:time, :issuer, :id, :subject)`,
		upTo:   column + ` ` + upTo + ` :time`,
	}
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
	q, order := new(query), orders[listing.Order]
	q.text.WriteString(`SELECT ` + columns + ` FROM sessions WHERE ` + q.listing(listing) + ` ORDER BY ` + order.byKey + `, ` + order.rest + ` LIMIT ` + q.bind(limit))
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

// KeyAt implements store.Store. It reads an index alone.
func (s *Store) KeyAt(ctx context.Context, listing store.Listing, n int) (store.Session, error) {
	if len(listing.View) == 0 {
		return store.Session{}, nil
	}
	var q query
	order := orders[listing.Order]
	q.text.WriteString(`SELECT ` + order.key + ` FROM sessions WHERE ` + q.place(store.Listing{View: listing.View, Order: listing.Order, After: listing.After}) +
		` ORDER BY ` + order.byKey + ` LIMIT 1 OFFSET ` + q.bind(n-1))
	var at int64
	var issuer, subject string
	err := s.db.QueryRowContext(ctx, q.text.String(), q.args...).Scan(&at, &issuer, &subject)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Session{}, fmt.Errorf("find a place among sessions: %w", explain(err))
	}
	return listing.Order.Place(store.FromMicros(at), issuer, "", subject), nil
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
	condition := q.view(l.View)
	if l.After != (store.Session{}) {
		condition += ` AND ` + q.at(orders[l.Order].behind, l.Order, l.After)
	}
	if l.Until != (store.Session{}) {
		condition += ` AND ` + q.at(orders[l.Order].upTo, l.Order, l.Until)
	}
	return condition
}

// at returns a condition of an order, with the values of a place.
func (q *query) at(condition string, order store.Order, place store.Session) string {
	for _, c := range []struct {
		name  string
		value any
	}{
		{":time", store.Micros(order.Time(place))}, {":issuer", place.Issuer}, {":id", place.ID}, {":subject", place.Subject},
	} {
		if strings.Contains(condition, c.name) {
			condition = strings.ReplaceAll(condition, c.name, q.bind(c.value))
		}
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
		if filter.Issuer != "" && filter.ID == "" && filter.Subject == "" {
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
