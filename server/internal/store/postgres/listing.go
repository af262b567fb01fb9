package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

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
		byKey:  `substr(subject, 1, 256), subject, issuer`,
		rest:   `first_seen DESC, session_id DESC`,
		behind: `substr(subject, 1, 256) >= substr(:subject::bytea, 1, 256) AND (subject, issuer) >= (:subject, :issuer) AND ((subject, issuer) > (:subject, :issuer) OR (first_seen, session_id) < (:time, :id))`,
		upTo:   `substr(subject, 1, 256) <= substr(:subject::bytea, 1, 256) AND (subject, issuer) <= (:subject, :issuer)`,
	},
}

func byTime(column, direction, behind, upTo string) order {
	return order{
		key:    column + `, ''::bytea, ''::bytea`,
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

func (s *Store) sessions(ctx context.Context, columns string, scan func(pgx.CollectableRow) (store.Session, error), listing store.Listing, limit int) ([]store.Session, error) {
	if len(listing.View) == 0 {
		return nil, nil
	}
	sql, args := selectSessions(columns, listing, limit)
	found, err := query(ctx, s, scan, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return found, nil
}

func selectSessions(columns string, listing store.Listing, limit int) (sql string, args []any) {
	var b binder
	order := orders[listing.Order]
	sql = `SELECT ` + columns + ` FROM ostiary.sessions WHERE ` + b.listing(listing) +
		` ORDER BY ` + order.byKey + `, ` + order.rest + ` LIMIT ` + b.bind(limit)
	return sql, b.args
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

// KeyAt implements store.Store.
func (s *Store) KeyAt(ctx context.Context, listing store.Listing, n int) (store.Session, error) {
	if len(listing.View) == 0 {
		return store.Session{}, nil
	}
	var b binder
	order := orders[listing.Order]
	// It reads an index alone, where the order is by time.
	sql := `SELECT ` + order.key + ` FROM ostiary.sessions WHERE ` + b.place(store.Listing{View: listing.View, Order: listing.Order, After: listing.After}) +
		` ORDER BY ` + order.byKey + ` LIMIT 1 OFFSET ` + b.bind(n-1)
	keys, err := query(ctx, s, func(row pgx.CollectableRow) (store.Session, error) {
		var at int64
		var issuer, subject string
		err := row.Scan(&at, (*text)(&issuer), (*text)(&subject))
		return listing.Order.Place(store.FromMicros(at), issuer, "", subject), err
	}, sql, b.args...)
	if err != nil {
		return store.Session{}, fmt.Errorf("find a place among sessions: %w", err)
	}
	if len(keys) == 0 {
		return store.Session{}, nil
	}
	return keys[0], nil
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
	condition := b.view(l.View)
	if l.After != (store.Session{}) {
		condition += ` AND ` + b.at(orders[l.Order].behind, l.Order, l.After)
	}
	if l.Until != (store.Session{}) {
		condition += ` AND ` + b.at(orders[l.Order].upTo, l.Order, l.Until)
	}
	return condition
}

// at returns a condition of an order, with the values of a place.
func (b *binder) at(condition string, order store.Order, place store.Session) string {
	for _, c := range []struct {
		name  string
		value any
	}{
		{":time", store.Micros(order.Time(place))}, {":issuer", []byte(place.Issuer)}, {":id", []byte(place.ID)}, {":subject", []byte(place.Subject)},
	} {
		if strings.Contains(condition, c.name) {
			condition = strings.ReplaceAll(condition, c.name, b.bind(c.value))
		}
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
		if filter.Subject != "" {
			subject := b.bind([]byte(filter.Subject))
			conditions = append(conditions, "substr(subject, 1, 256) = substr("+subject+"::bytea, 1, 256) AND subject = "+subject)
		}
		for _, c := range []struct{ column, value string }{
			{"session_id", filter.ID}, {"client_id", filter.ClientID},
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
