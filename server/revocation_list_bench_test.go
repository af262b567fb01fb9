package server

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// BenchmarkListRevocations says how long an operator waits for a page of 100 among 1,000,000
// revocations, and for their count.
func BenchmarkListRevocations(b *testing.B) {
	const columns = `sequence, revocation_id, kind, issuer, value, subject, issued_before, expires_at, created_at, origin,
		by_issuer, by_subject, by_client_id, by_session_id, actor_issuer, actor_subject, actor_session_id, actor_type, cause`
	const values = `'subject', '%s', %s, '', 0, 4000000000000000, 1700000000000000 + i, 'caller', '%[1]s', 'user_otto', '', '', '', '', '', '', 'left'`
	b.Run("SQLite", func(b *testing.B) {
		r := start(b, withOperator)
		r.database(b, fmt.Sprintf(`INSERT INTO revocations (`+columns+`)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i, randomblob(16), `+values+` FROM n`, r.issuer.URL(), `'user_' || i`))
		listRevocations(b, r)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		database := pgtest.NewDatabase(b)
		r := start(b, withOperator, func(c *settings.Config) { c.DatabaseURL = database })
		conn, err := pgx.Connect(b.Context(), database)
		if err != nil {
			b.Fatal(err)
		}
		for _, statement := range []string{
			fmt.Sprintf(`INSERT INTO ostiary.revocations (target, `+columns+`) SELECT sha256(i::text::bytea), i, decode(md5(i::text), 'hex'), `+values+` FROM generate_series(1::bigint, 1000000) i`,
				r.issuer.URL(), `convert_to('user_' || i, 'UTF8')`),
			`ANALYZE`,
		} {
			if _, err := conn.Exec(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
		if err := conn.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		listRevocations(b, r)
	})
}

// listRevocations lists the revocations of a server in each way.
func listRevocations(b *testing.B, r *running) {
	b.Helper()
	otto := r.revocations(b, r.issuer.Session("user_otto"))
	for _, row := range []struct {
		name string
		req  *revocationv1.ListRevocationsRequest
	}{
		{"newest", &revocationv1.ListRevocationsRequest{Order: newestFirst}},
		{"newest-counted", &revocationv1.ListRevocationsRequest{Order: newestFirst, CountTotal: true}},
		{"by-counted", &revocationv1.ListRevocationsRequest{Order: newestFirst, CountTotal: true, Filter: &revocationv1.ListRevocationsFilter{BySubject: new("user_otto")}}},
		{"of-nobody-counted", &revocationv1.ListRevocationsRequest{Order: newestFirst, CountTotal: true, Filter: &revocationv1.ListRevocationsFilter{Query: "nobody"}}},
	} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := otto.ListRevocations(b.Context(), row.req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
