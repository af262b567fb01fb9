package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

func (tr endpoint) revocations(t testing.TB, token string) revocationv1connect.RevocationServiceClient {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	return revocationv1connect.NewRevocationServiceClient(httpClient(t, true), tr.url, options...)
}

func (r *running) revocations(t testing.TB, token string) revocationv1connect.RevocationServiceClient {
	t.Helper()
	return r.transports()["Connect"].revocations(t, token)
}

// send imports messages and returns the summary.

const newestFirst = revocationv1.RevocationOrder_REVOCATION_ORDER_NEWEST_FIRST

// listed returns the causes of all revocations of a request, page by page, and how many there
// are by the first page's count.
func (r *running) listed(t *testing.T, req *revocationv1.ListRevocationsRequest) (causes []string, total int64) {
	t.Helper()
	client := r.revocations(t, r.issuer.Session("user_otto"))
	req.CountTotal = true
	for {
		res, err := client.ListRevocations(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, revocation := range res.GetRevocations() {
			causes = append(causes, revocation.GetCause())
		}
		if req.GetCountTotal() {
			total, req.CountTotal = res.GetTotalCount(), false
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return causes, total
		}
	}
}

func TestRevocationsAreFoundByWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	for name, edit := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator, func(c *settings.Config) {
				edit(t, c)
				c.OperatorSubjects = append(c.OperatorSubjects, "user_pam")
			})
			revoke := func(by string, target store.Target, cause string) {
				t.Helper()
				target.Issuer = r.issuer.URL()
				asked := &revocationv1.NewRevocation{Target: targetMessage(target), Cause: cause}
				if target.Kind == "client" || target.Kind == "machine" {
					asked.Extent = &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}}
				}
				if _, err := r.revocations(t, r.issuer.Session(by)).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{asked}}); err != nil {
					t.Fatal(err)
				}
			}
			revoke("user_otto", store.Target{Kind: "subject", Value: "user_ada"}, "the phone was lost")
			revoke("user_pam", store.Target{Kind: "session", Value: "sess_1", Subject: "user_ada"}, "a stranger in it")
			revoke("user_otto", store.Target{Kind: "client", Value: "crm"}, "the key has leaked")
			revoke("user_otto", store.Target{Kind: "member", Value: "org_acme", Subject: "user_ben"}, "left")
			order := []string{"the phone was lost", "a stranger in it", "the key has leaked", "left"}
			past, future := timestamppb.New(time.Now().Add(-time.Hour)), timestamppb.New(time.Now().Add(time.Hour))
			for name, test := range map[string]struct {
				filter *revocationv1.ListRevocationsFilter
				want   []int
			}{
				"all":                          {nil, []int{0, 1, 2, 3}},
				"of two kinds":                 {&revocationv1.ListRevocationsFilter{Kinds: []revocationv1.TargetKind{revocationv1.TargetKind_TARGET_KIND_SUBJECT, revocationv1.TargetKind_TARGET_KIND_MEMBER}}, []int{0, 3}},
				"of a subject":                 {&revocationv1.ListRevocationsFilter{Subject: new("user_ada")}, []int{0, 1}},
				"of the issuer":                {&revocationv1.ListRevocationsFilter{Issuer: new(r.issuer.URL())}, []int{0, 1, 2, 3}},
				"of another issuer":            {&revocationv1.ListRevocationsFilter{Issuer: new("https://other.example.com")}, nil},
				"with a part of the cause":     {&revocationv1.ListRevocationsFilter{Query: "leaked"}, []int{2}},
				"with a part of a name":        {&revocationv1.ListRevocationsFilter{Query: "_acme"}, []int{3}},
				"that somebody has made":       {&revocationv1.ListRevocationsFilter{BySubject: new("user_pam")}, []int{1}},
				"by a part of who has made it": {&revocationv1.ListRevocationsFilter{Query: "_pam"}, []int{1}},
				"that nobody has made":         {&revocationv1.ListRevocationsFilter{BySubject: new("")}, nil},
				"made since an hour ago":       {&revocationv1.ListRevocationsFilter{CreatedSinceTime: past}, []int{0, 1, 2, 3}},
				"made in an hour":              {&revocationv1.ListRevocationsFilter{CreatedSinceTime: future}, nil},
			} {
				for size := range int32(3) {
					for _, newest := range []bool{false, true} {
						var want []string
						for _, i := range test.want {
							want = append(want, order[i])
						}
						req := &revocationv1.ListRevocationsRequest{Filter: test.filter, PageSize: size}
						if newest {
							req.Order = newestFirst
							slices.Reverse(want)
						}
						if got, total := r.listed(t, req); !slices.Equal(got, want) || total != int64(len(want)) {
							t.Errorf("%s in pages of %d, newest first: %t: %q, counted %d; want %q", name, size, newest, got, total, want)
						}
					}
				}
			}
		})
	}
}

// databases are the kinds of databases, for tests that need each.
func databases() map[string]func(*testing.T, *settings.Config) {
	return map[string]func(*testing.T, *settings.Config){
		"SQLite":     func(t *testing.T, _ *settings.Config) { t.Helper() },
		"PostgreSQL": func(t *testing.T, c *settings.Config) { t.Helper(); c.DatabaseURL = pgtest.NewDatabase(t) },
	}
}

func TestAListOfRevocationsThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	client := r.revocations(t, r.issuer.Session("user_otto"))
	for field, req := range map[string]*revocationv1.ListRevocationsRequest{
		"order":                     {Order: 77},
		"filter.kinds[0]":           {Filter: &revocationv1.ListRevocationsFilter{Kinds: []revocationv1.TargetKind{0}}},
		"filter.kinds[2]":           {Filter: &revocationv1.ListRevocationsFilter{Kinds: []revocationv1.TargetKind{1, 2, 9}}},
		"filter.kinds[1]":           {Filter: &revocationv1.ListRevocationsFilter{Kinds: []revocationv1.TargetKind{1, 77}}},
		"filter.issuer":             {Filter: &revocationv1.ListRevocationsFilter{Issuer: new("")}},
		"filter.subject":            {Filter: &revocationv1.ListRevocationsFilter{Subject: new("")}},
		"filter.query":              {Filter: &revocationv1.ListRevocationsFilter{Query: strings.Repeat("x", 1<<20)}},
		"filter.created_since_time": {Filter: &revocationv1.ListRevocationsFilter{CreatedSinceTime: &timestamppb.Timestamp{Seconds: -1}}},
	} {
		_, err := client.ListRevocations(t.Context(), req)
		wantError(t, field, err, errorv1.Reason_REASON_INVALID_REQUEST)
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v; want it named", field, err)
		}
	}
	if _, err := client.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession("a"), r.ofSession("b")}}); err != nil {
		t.Fatal(err)
	}
	page, err := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 1, Order: newestFirst})
	if err != nil || page.GetNextPageToken() == "" || page.GetResumeToken() == "" {
		t.Fatalf("%v, %v; want a next page, and where to go on", page, err)
	}
	if second, err := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 1, Order: newestFirst, PageToken: page.GetNextPageToken()}); err != nil || second.GetResumeToken() != "" {
		t.Errorf("%v, %v; want nothing to resume from", second, err)
	}
	for name, req := range map[string]*revocationv1.ListRevocationsRequest{
		"a page of another order":  {PageToken: page.GetNextPageToken()},
		"a page of another filter": {PageToken: page.GetNextPageToken(), Order: newestFirst, Filter: &revocationv1.ListRevocationsFilter{Query: "x"}},
	} {
		_, err := client.ListRevocations(t.Context(), req)
		wantError(t, name, err, errorv1.Reason_REASON_POSITION_INVALID)
	}
}

// A search that finds little goes on with further pages, and its count says that it is no more
// than a lower bound.
func TestASearchAmongVeryManyRevocationsIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	const n = 250_000
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.database(t, fmt.Sprintf(`INSERT INTO revocations (kind, issuer, value, subject, issued_before, expires_at, created_at, origin, by_issuer, by_subject, by_client_id, by_session_id,
			actor_issuer, actor_subject, actor_session_id, actor_type, cause)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT 'subject', '%s', 'user_' || i, '', 1700000000000000, 4000000000000000, 1700000000000000 + i, 'caller', '', '', '', '', '', '', '', '', CASE i WHEN 1 THEN 'the first' ELSE '' END FROM n`,
		n, r.issuer.URL()))
	again := start(t, withOperator, func(c *settings.Config) { c.DataDir, c.Issuers = r.config.DataDir, r.config.Issuers })
	again.issuer = r.issuer
	client := again.revocations(t, r.issuer.Session("user_otto"))
	req := &revocationv1.ListRevocationsRequest{Order: newestFirst, CountTotal: true, Filter: &revocationv1.ListRevocationsFilter{Query: "the first"}}
	pages, found := 0, 0
	for {
		res, err := client.ListRevocations(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if pages++; pages == 1 && (res.GetTotalCount() != 0 || !res.GetTotalCountIsMinimum()) {
			t.Errorf("counted %d, as a lower bound: %t; want 0, as one", res.GetTotalCount(), res.GetTotalCountIsMinimum())
		}
		found += len(res.GetRevocations())
		req.CountTotal = false
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if pages != 3 || found != 1 {
		t.Errorf("found %d on %d pages; want the one on the third", found, pages)
	}
	for name, filter := range map[string]*revocationv1.ListRevocationsFilter{"all": nil, "those of nobody": {BySubject: new("")}} {
		for _, order := range []revocationv1.RevocationOrder{0, newestFirst} {
			page, err := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{CountTotal: true, Filter: filter, Order: order})
			if err != nil || page.GetTotalCount() != 100_000 || !page.GetTotalCountIsMinimum() {
				t.Errorf("%s, %v: counted %d, as a lower bound: %t, error %v; want at least 100,000", name, order, page.GetTotalCount(), page.GetTotalCountIsMinimum(), err)
			}
		}
	}
}

func TestAPreviewSaysWhatARevocationWouldEnd(t *testing.T) {
	t.Parallel()
	for name, edit := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator, func(c *settings.Config) { edit(t, c) })
			cast := r.cast()
			cast["gone"] = r.issuer.Session("user_ben", authtest.With("sid", "gone"))
			r.seen(t, cast)
			otto := r.revocations(t, cast["otto"])
			if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("gone")); err != nil {
				t.Fatal(err)
			}
			all := &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}}
			for name, test := range map[string]struct {
				target             store.Target
				before             time.Time
				sessions, subjects int64 // -1 where it is not known
			}{
				"a session":                         {store.Target{Kind: "session", Value: "ada-1"}, time.Time{}, 1, 1},
				"a session of another subject":      {store.Target{Kind: "session", Value: "ada-1", Subject: "user_ben"}, time.Time{}, 0, 0},
				"a subject":                         {store.Target{Kind: "subject", Value: "user_ada"}, time.Time{}, 2, 1},
				"a subject whose session has ended": {store.Target{Kind: "subject", Value: "user_ben"}, time.Time{}, 1, 1},
				"an organization":                   {store.Target{Kind: "organization", Value: "org_acme"}, time.Time{}, 2, 2},
				"a member":                          {store.Target{Kind: "member", Value: "org_acme", Subject: "user_ada"}, time.Time{}, 1, 1},
				"a client":                          {store.Target{Kind: "client", Value: "crm"}, time.Time{}, 0, 0},
				"the issuer":                        {store.Target{Kind: "issuer"}, time.Time{}, 6, 5},
				"the issuer, up to an hour ago":     {store.Target{Kind: "issuer"}, time.Now().Add(-time.Hour), 0, 0},
				"a token":                           {store.Target{Kind: "token", Value: "token_1"}, time.Time{}, -1, 0},
				"a machine":                         {store.Target{Kind: "machine", Value: "mch_1"}, time.Time{}, -1, 0},
			} {
				test.target.Issuer = r.issuer.URL()
				asked := &revocationv1.NewRevocation{Target: targetMessage(test.target), Extent: all}
				if !test.before.IsZero() {
					asked.Extent = &revocationv1.NewRevocation_IssuedBeforeTime{IssuedBeforeTime: timestamppb.New(test.before)}
				}
				res, err := otto.PreviewRevocation(t.Context(), &revocationv1.PreviewRevocationRequest{Revocation: asked})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if got, want := res.GetRevokesCaller(), name == "the issuer"; got != want || !res.GetExpireTime().AsTime().After(time.Now()) {
					t.Errorf("%s: the caller's token is revoked: %t, until %v; want %t, and a time to come", name, got, res.GetExpireTime().AsTime(), want)
				}
				sessions := int64(-1)
				if res.SessionCount != nil {
					sessions = res.GetSessionCount()
				}
				if sessions != test.sessions || res.GetSubjectCount() != test.subjects || res.GetCountsAreMinimum() {
					t.Errorf("%s: %d sessions of %d subjects, at least: %t; want %d of %d", name, sessions, res.GetSubjectCount(), res.GetCountsAreMinimum(), test.sessions, test.subjects)
				}
			}
			for field, asked := range map[string]*revocationv1.NewRevocation{
				"revocation.target":                nil,
				"revocation.extent":                {Target: targetMessage(store.Target{Kind: "client", Issuer: r.issuer.URL(), Value: "crm"})},
				"revocation.target.subject.issuer": {Target: targetMessage(store.Target{Kind: "subject", Issuer: "https://other.example.com", Value: "user_ada"})},
			} {
				_, err := otto.PreviewRevocation(t.Context(), &revocationv1.PreviewRevocationRequest{Revocation: asked})
				wantError(t, field, err, errorv1.Reason_REASON_INVALID_REQUEST)
				if err == nil || !strings.Contains(err.Error(), field) {
					t.Errorf("%s: %v; want it named", field, err)
				}
			}
			if kept := r.revocationsKept(t); kept != 1 {
				t.Errorf("%d revocations are kept; want the one that ended a session, and none by a preview", kept)
			}
		})
	}
}

func TestAPreviewCountsNoMoreSessionsThanItReads(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	r.database(t, seedSessions(r.issuer.URL(), 12_000, 2)) // 6000 are active
	res, err := r.revocations(t, r.issuer.Session("user_otto")).PreviewRevocation(t.Context(), &revocationv1.PreviewRevocationRequest{
		Revocation: &revocationv1.NewRevocation{Target: targetMessage(store.Target{Kind: "issuer", Issuer: r.issuer.URL()})},
	})
	if err != nil || res.GetSessionCount() < 4900 || !res.GetCountsAreMinimum() || res.GetSubjectCount() != res.GetSessionCount() {
		t.Errorf("%v, %v; want some 5000 sessions, each of another subject, as a lower bound", res, err)
	}
}
