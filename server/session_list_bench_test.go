package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// BenchmarkListSessions says how long an operator waits for a page of 100 among 100,000
// sessions in SQLite, and among 500,000 in PostgreSQL, whether many match or few.
func BenchmarkListSessions(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		r := start(b, withOperator)
		r.database(b, seedSessions(r.issuer.URL(), 100_000, 10))
		r.database(b, `INSERT INTO sightings SELECT issuer, session_id, subject, '', first_seen, last_seen, '', '', '', '' FROM sessions`)
		listSessions(b, r)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		database := pgtest.NewDatabase(b)
		r := start(b, withOperator, func(c *settings.Config) { c.DatabaseURL = database })
		conn, err := pgx.Connect(b.Context(), database)
		if err != nil {
			b.Fatal(err)
		}
		for _, statement := range []string{
			fmt.Sprintf(`INSERT INTO ostiary.sessions SELECT sha256(i::text::bytea), '%s', convert_to('sess_' || lpad(i::text, 6, '0'), 'UTF8'), convert_to('user_' || lpad(i::text, 6, '0'), 'UTF8'),
				convert_to(CASE i %% 7 WHEN 0 THEN 'org_' || i %% 300 ELSE '' END, 'UTF8'), 'https://app.example.com', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)', '192.0.2.1',
				1700000000000000 + i * 1000000::bigint, (extract(epoch FROM now())::bigint - (i * 7919::bigint %% 100003)) * 1000000, '', '', '', '', '', '',
				1700000000000000, CASE i %% 10 WHEN 0 THEN 4000000000000000 ELSE 1700000001000000 END FROM generate_series(1, 500000) i`, r.issuer.URL()),
			`INSERT INTO ostiary.sightings SELECT name, '', first_seen, last_seen, '', '', '', '' FROM ostiary.sessions`,
			`ANALYZE`,
		} {
			if _, err := conn.Exec(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
		if err := conn.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		listSessions(b, r)
	})
}

// listSessions lists the sessions of a server in each way.
func listSessions(b *testing.B, r *running) {
	b.Helper()
	otto := r.sessions(b, r.issuer.Session("user_otto"))
	oldest, latest := sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_ASC, sessionv1.SessionOrder_SESSION_ORDER_LAST_SEEN_DESC
	bySubject := sessionv1.SessionOrder_SESSION_ORDER_SUBJECT
	in := func(state sessionv1.SessionState) *sessionv1.ListSessionsFilter {
		return &sessionv1.ListSessionsFilter{States: []sessionv1.SessionState{state}}
	}
	for _, row := range []struct {
		name string
		req  *sessionv1.ListSessionsRequest
	}{
		{"newest", &sessionv1.ListSessionsRequest{}},
		{"oldest", &sessionv1.ListSessionsRequest{Order: oldest}},
		{"used-last", &sessionv1.ListSessionsRequest{Order: latest}},
		{"by-subject", &sessionv1.ListSessionsRequest{Order: bySubject}},
		{"by-subject-query-of-none", &sessionv1.ListSessionsRequest{Order: bySubject, Filter: &sessionv1.ListSessionsFilter{Query: "nobody"}}},
		{"by-subject-ended-of-none", &sessionv1.ListSessionsRequest{Order: bySubject, Filter: in(revoked)}},
		{"issuer", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Issuer: proto.String(r.issuer.URL())}}},
		{"issuer-used-last", &sessionv1.ListSessionsRequest{Order: latest, Filter: &sessionv1.ListSessionsFilter{Issuer: proto.String(r.issuer.URL())}}},
		{"subject", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Subject: proto.String("user_000777")}}},
		{"subject-of-issuer", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Issuer: proto.String(r.issuer.URL()), Subject: proto.String("user_000777")}}},
		{"organization", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{OrganizationId: proto.String("org_007")}}},
		{"no-organization", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{OrganizationId: proto.String("")}}},
		{"query-of-all", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Query: "user_"}}},
		{"query-of-the-oldest", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Query: "user_00000"}}},
		{"query-of-none", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Query: "nobody"}}},
		{"query-of-none-used-last", &sessionv1.ListSessionsRequest{Order: latest, Filter: &sessionv1.ListSessionsFilter{Query: "nobody"}}},
		{"active", &sessionv1.ListSessionsRequest{Filter: in(active)}},
		{"expired", &sessionv1.ListSessionsRequest{Filter: in(expired)}},
		{"ended-of-none", &sessionv1.ListSessionsRequest{Filter: in(revoked)}},
		{"service-of-all", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Service: proto.String("")}}},
		{"service-of-none", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Service: proto.String("billing")}}},
		{"idle-of-none", &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{LastSeenBeforeTime: timestamppb.New(time.Unix(1700000000, 0))}}},
		{"count", &sessionv1.ListSessionsRequest{CountTotal: true}},
		{"count-query", &sessionv1.ListSessionsRequest{CountTotal: true, Filter: &sessionv1.ListSessionsFilter{Query: "user_0"}}},
		{"count-active", &sessionv1.ListSessionsRequest{CountTotal: true, Filter: in(active)}},
	} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := otto.ListSessions(b.Context(), row.req); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/page")
		})
	}
}
