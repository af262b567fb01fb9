package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Revocations implements store.Store.
func (s *Store) Revocations(ctx context.Context, listing store.RevocationListing, limit int) ([]store.Revocation, error) {
	if err := s.checkGiven(ctx, listing.After); err != nil {
		return nil, fmt.Errorf("list revocations after %d: %w", listing.After.Sequence, err)
	}
	var q query
	q.text.WriteString(`SELECT sequence, revocation_id, ` + revocationColumns + ` FROM revocations WHERE ` + q.revocations(listing) +
		bySequence(listing.NewestFirst) + ` LIMIT ` + q.bind(limit))
	rows, err := s.db.QueryContext(ctx, q.text.String(), q.args...)
	if err != nil {
		return nil, fmt.Errorf("list revocations: %w", explain(err))
	}
	return collectRevocations(rows, (*scanned).all)
}

// CountRevocations implements store.Store.
func (s *Store) CountRevocations(ctx context.Context, listing store.RevocationListing) (count int64, err error) {
	var q query
	q.text.WriteString(`SELECT COUNT(*) FROM revocations WHERE ` + q.revocations(listing))
	if err := s.db.QueryRowContext(ctx, q.text.String(), q.args...).Scan(&count); err != nil {
		return 0, fmt.Errorf("count revocations: %w", explain(err))
	}
	return count, nil
}

// RevocationAt implements store.Store.
func (s *Store) RevocationAt(ctx context.Context, listing store.RevocationListing, n int) (store.Revocation, error) {
	var q query
	var at store.Revocation
	var created int64
	// The rows in between are counted in the index of the table, and not read.
	q.text.WriteString(`SELECT sequence, created_at FROM revocations WHERE sequence = (SELECT sequence FROM revocations WHERE ` +
		q.after(store.RevocationListing{NewestFirst: listing.NewestFirst, After: listing.After}) + bySequence(listing.NewestFirst) + ` LIMIT 1 OFFSET ` + q.bind(n-1) + `)`)
	err := s.db.QueryRowContext(ctx, q.text.String(), q.args...).Scan(&at.Sequence, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Revocation{}, nil
	}
	if err != nil {
		return store.Revocation{}, fmt.Errorf("find a place among revocations: %w", explain(err))
	}
	at.CreatedAt = store.FromMicros(created)
	return at, nil
}

func bySequence(newestFirst bool) string {
	if newestFirst {
		return ` ORDER BY sequence DESC`
	}
	return ` ORDER BY sequence`
}

// revocations returns the condition that a revocation belongs to a listing.
func (q *query) revocations(l store.RevocationListing) string {
	conditions := []string{q.after(l)}
	if len(l.Kinds) > 0 {
		kinds := make([]string, len(l.Kinds))
		for i, kind := range l.Kinds {
			kinds[i] = q.bind(kind)
		}
		conditions = append(conditions, "+kind IN ("+strings.Join(kinds, ", ")+")")
	}
	if l.Issuer != "" {
		conditions = append(conditions, "issuer = "+q.bind(l.Issuer))
	}
	if l.Subject != "" {
		named := q.bind(l.Subject)
		conditions = append(conditions, "(subject = "+named+" OR kind IN ('subject', 'machine') AND value = "+named+")")
	}
	if l.Text != "" {
		text := q.bind(l.Text)
		conditions = append(conditions, "(instr(value, "+text+") > 0 OR instr(subject, "+text+") > 0 OR instr(cause, "+text+") > 0 OR instr(by_subject, "+text+") > 0)")
	}
	if !l.Since.IsZero() {
		conditions = append(conditions, "created_at >= "+q.bind(store.Micros(l.Since)))
	}
	if l.By != nil {
		conditions = append(conditions, "by_subject = "+q.bind(*l.By))
	}
	return strings.Join(conditions, " AND ")
}

// after returns the condition that a revocation is between the After and the Until of a listing.
func (q *query) after(l store.RevocationListing) string {
	behind, upTo := "sequence > ", "sequence <= "
	if l.NewestFirst {
		behind, upTo = "sequence < ", "sequence >= "
	}
	condition := "1 = 1"
	if l.After.Sequence != 0 {
		condition += " AND " + behind + q.bind(l.After.Sequence)
	}
	if l.Until != 0 {
		condition += " AND " + upTo + q.bind(l.Until)
	}
	return condition
}
