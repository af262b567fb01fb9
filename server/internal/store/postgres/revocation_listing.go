package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ostiary/ostiary/server/internal/store"
)

// Revocations implements store.Store.
func (s *Store) Revocations(ctx context.Context, listing store.RevocationListing, limit int) (page []store.Revocation, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var b binder
	sql := `SELECT ` + revocationColumns + ` FROM ostiary.revocations WHERE ` + b.revocations(listing) + bySequence(listing.NewestFirst) + ` LIMIT ` + b.bind(limit)
	var given, standby bool
	before := s.Epoch()
	// In one batch, and so from one server: between two of them another may have taken over.
	var batch pgx.Batch
	batch.Queue(selectGiven, listing.After.Sequence, store.Micros(listing.After.CreatedAt)).Query(func(rows pgx.Rows) error {
		return s.readGiven(rows, &standby, &given)
	})
	batch.Queue(sql, b.args...).Query(func(rows pgx.Rows) (err error) {
		page, err = collect(rows, (*scanned).all)
		return err
	})
	err = s.explain(s.pool.SendBatch(ctx, &batch).Close())
	if err == nil && listing.After.Sequence != 0 && (!given || s.Epoch() != before) {
		err = store.ErrNotGiven
	}
	if err != nil {
		return nil, fmt.Errorf("list revocations after %d: %w", listing.After.Sequence, err)
	}
	return page, nil
}

// CountRevocations implements store.Store.
func (s *Store) CountRevocations(ctx context.Context, listing store.RevocationListing) (int64, error) {
	var b binder
	counts, err := query(ctx, s, pgx.RowTo[int64], `SELECT COUNT(*) FROM ostiary.revocations WHERE `+b.revocations(listing), b.args...)
	if err != nil {
		return 0, fmt.Errorf("count revocations: %w", err)
	}
	return counts[0], nil
}

// RevocationAt implements store.Store.
func (s *Store) RevocationAt(ctx context.Context, listing store.RevocationListing, n int) (store.Revocation, error) {
	var b binder
	// The rows in between are counted in the index, and not read.
	sql := `SELECT sequence, created_at FROM ostiary.revocations WHERE sequence = (SELECT sequence FROM ostiary.revocations WHERE ` +
		b.after(store.RevocationListing{NewestFirst: listing.NewestFirst, After: listing.After}) + bySequence(listing.NewestFirst) + ` LIMIT 1 OFFSET ` + b.bind(n-1) + `)`
	found, err := query(ctx, s, func(row pgx.CollectableRow) (r store.Revocation, err error) {
		var created int64
		err = row.Scan(&r.Sequence, &created)
		r.CreatedAt = store.FromMicros(created)
		return r, err
	}, sql, b.args...)
	if err != nil {
		return store.Revocation{}, fmt.Errorf("find a place among revocations: %w", err)
	}
	if len(found) == 0 {
		return store.Revocation{}, nil
	}
	return found[0], nil
}

func bySequence(newestFirst bool) string {
	if newestFirst {
		return ` ORDER BY sequence DESC`
	}
	return ` ORDER BY sequence`
}

// revocations returns the condition that a revocation belongs to a listing.
func (b *binder) revocations(l store.RevocationListing) string {
	conditions := []string{b.after(l)}
	if len(l.Kinds) > 0 {
		conditions = append(conditions, "kind = ANY ("+b.bind(l.Kinds)+")")
	}
	if l.Issuer != "" {
		conditions = append(conditions, "issuer = "+b.bind([]byte(l.Issuer)))
	}
	if l.Subject != "" {
		named := b.bind([]byte(l.Subject))
		conditions = append(conditions, "(subject = "+named+" OR kind IN ('subject', 'machine') AND value = "+named+")")
	}
	if l.Text != "" {
		text := b.bind([]byte(l.Text))
		var alternatives []string
		for _, column := range []string{"value", "subject", "cause", "by_subject"} {
			alternatives = append(alternatives, "position("+text+"::BYTEA IN "+column+") > 0")
		}
		conditions = append(conditions, "("+strings.Join(alternatives, " OR ")+")")
	}
	if !l.Since.IsZero() {
		conditions = append(conditions, "created_at >= "+b.bind(store.Micros(l.Since)))
	}
	if l.By != nil {
		conditions = append(conditions, "by_subject = "+b.bind([]byte(*l.By)))
	}
	return strings.Join(conditions, " AND ")
}

// after returns the condition that a revocation is between the After and the Until of a listing.
func (b *binder) after(l store.RevocationListing) string {
	behind, upTo := "sequence > ", "sequence <= "
	if l.NewestFirst {
		behind, upTo = "sequence < ", "sequence >= "
	}
	condition := "true"
	if l.After.Sequence != 0 {
		condition += " AND " + behind + b.bind(l.After.Sequence)
	}
	if l.Until != 0 {
		condition += " AND " + upTo + b.bind(l.Until)
	}
	return condition
}
