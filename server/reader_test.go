package server

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/settings"
)

// Where longer tokens are accepted, the ids in them can be named.
func TestTheLongestIDOfATokenCanBeRevoked(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.Issuers[0].MaxTokenBytes = settings.MaxTokenBytesLimit })
	long := strings.Repeat("s", 16<<10)
	token := r.issuer.Session("user_ada", authtest.With("sid", long))
	r.seen(t, map[string]string{long: token})
	if _, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), r.revokeReq(long)); err != nil {
		t.Fatal(err)
	}
	r.wantReason(t, "a session with a long id", token, auth.TokenRevoked)
}

const (
	invalidPosition = errorv1.Reason_REASON_POSITION_INVALID
	otherEpoch      = errorv1.Reason_REASON_POSITION_EPOCH_CHANGED
)

func TestAPageIsAsLargeAsItMayBe(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	const n = 1001
	if _, err := send(t, r.revocations(t, otto), r.rowsOf("sess_", n)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[int32]int{0: 100, 1: 1, 999: 999, 1000: 1000, 1001: 1000, 1 << 30: 1000} {
		res, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: asked})
		if err != nil || len(res.GetRevocations()) != want || res.GetNextPageToken() == "" || res.GetNextPageToken() != res.GetResumeToken() {
			t.Errorf("a page of %d: %d, next %q, error %v; want %d, and that there are more", asked, len(res.GetRevocations()), res.GetNextPageToken(), err, want)
		}
	}
	_, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: -1})
	wantFaults(t, "a page of less than nothing", err, "page_size")
	// The last page is as full as the others, and says that it is the last.
	first, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: n - 500})
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 500, PageToken: first.GetNextPageToken()})
	if err != nil || len(last.GetRevocations()) != 500 || last.GetNextPageToken() != "" {
		t.Errorf("the last page has %d, next %q, error %v", len(last.GetRevocations()), last.GetNextPageToken(), err)
	}
}

// A reader that polls with the resume_token misses nothing, and sees nothing twice.
func TestRevocationsAreFollowedByTheirResumeTokens(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withOperator, now.set)
	token := ""
	poll := func(server *running, want ...string) {
		t.Helper()
		otto := server.issuer.Session("user_otto")
		res, err := server.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageToken: token})
		if err != nil || len(res.GetRevocations()) != len(want) || res.GetNextPageToken() != "" || res.GetResumeToken() == "" {
			t.Fatalf("%v, error %v; want %q", res, err, want)
		}
		for i, revocation := range res.GetRevocations() {
			if revocation.GetTarget().GetSession().GetSessionId() != want[i] {
				t.Errorf("%v; want %s", revocation, want[i])
			}
		}
		if same := token == res.GetResumeToken(); token != "" && same != (len(want) == 0) {
			t.Errorf("the position is the same: %t, after %d revocations", same, len(want))
		}
		token = res.GetResumeToken()
	}
	revoke := func(server *running, ids ...string) {
		t.Helper()
		for _, id := range ids {
			if _, err := server.sessions(t, server.issuer.Session("user_otto")).RevokeSession(t.Context(), server.revokeReq(id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	poll(r)
	poll(r)
	revoke(r, "sess_1", "sess_2")
	poll(r, "sess_1", "sess_2")
	poll(r)
	r = r.again(t)
	poll(r)
	revoke(r, "sess_3")
	poll(r, "sess_3")
	now.move(2 * settings.DefaultSessionRetention)
	r = r.again(t)
	r.database(t, `DELETE FROM revocations`) // as when they are pruned, which takes a clock that has not jumped
	poll(r)
	revoke(r, "sess_4")
	poll(r, "sess_4")
}

// A database that was restored knows nothing of what was revoked after the backup.
func TestAPositionFromAfterTheBackupIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	list := func(server *running, token string) (*revocationv1.ListRevocationsResponse, error) {
		return server.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageToken: token})
	}
	revoke := func(id string) string {
		t.Helper()
		if _, err := r.sessions(t, otto).RevokeSession(t.Context(), r.revokeReq(id)); err != nil {
			t.Fatal(err)
		}
		res, err := list(r, "")
		if err != nil {
			t.Fatal(err)
		}
		return res.GetResumeToken()
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	before := revoke("sess_1")
	r.database(t, "VACUUM INTO '"+backup+"'")
	after := revoke("sess_2")
	restored := start(t, withOperator, func(c *settings.Config) { c.DatabaseURL, c.Issuers = "sqlite:"+backup, r.config.Issuers })
	if res, err := list(restored, before); err != nil || len(res.GetRevocations()) != 0 {
		t.Errorf("from before the backup: %v, error %v", res, err)
	}
	_, err := list(restored, after)
	wantError(t, "from after the backup", err, otherEpoch)
	// Its next revocations have the numbers of those that were lost.
	for _, id := range []string{"sess_3", "sess_4"} {
		if _, err := restored.sessions(t, otto).RevokeSession(t.Context(), r.revokeReq(id)); err != nil {
			t.Fatal(err)
		}
		_, err = list(restored, after)
		wantError(t, "from after the backup, and after "+id, err, otherEpoch)
	}
	lost, err := list(r, before)
	if err != nil {
		t.Fatal(err)
	}
	others, err := list(restored, before)
	if err != nil || len(lost.GetRevocations()) != 1 || len(others.GetRevocations()) != 2 {
		t.Fatalf("%v and %v, error %v; want sess_2, and the two since the restore", lost, others, err)
	}
	if id := lost.GetRevocations()[0].GetRevocationId(); id == others.GetRevocations()[0].GetRevocationId() {
		t.Errorf("two revocations have the id %s", id)
	}
}

// A position that is none must not begin again with the first page, which a client
// would then read for ever, nor answer that there is nothing.
func TestAPositionOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	other := start(t, withOperator, func(c *settings.Config) { c.Issuers = r.config.Issuers })
	other.issuer = r.issuer
	otto := r.issuer.Session("user_otto")
	cast := r.cast()
	r.seen(t, cast)
	other.seen(t, other.cast())
	for _, server := range []*running{r, other} {
		if _, err := send(t, server.revocations(t, server.issuer.Session("user_otto")), server.rowsOf("sess_", 3)); err != nil {
			t.Fatal(err)
		}
	}
	positions := func(server *running) (revocations, sessions, events string) {
		otto := server.issuer.Session("user_otto")
		listed, err := server.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		seen, err := server.sessions(t, otto).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageSize: 1})
		if err != nil || seen.GetNextPageToken() == "" {
			t.Fatalf("%v, error %v", seen, err)
		}
		return listed.GetNextPageToken(), seen.GetNextPageToken(), seen.GetResumeToken()
	}
	revocations, sessions, events := positions(r)
	otherRevocations, otherSessions, otherEvents := positions(other)
	ahead := position.Encode(r.ledger.Epoch(), position.ScopeOf(revocationv1.RevocationService_ListRevocations_FullMethodName, nil), ledger.Place{Sequence: 1000})
	eventsAhead := r.session.watchPosition(1000)
	ofAnAdmin, err := r.sessions(t, cast["ada-1"]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageSize: 1})
	if err != nil || ofAnAdmin.GetNextPageToken() == "" {
		t.Fatalf("%v, error %v", ofAnAdmin, err)
	}
	ofAda := &sessionv1.ListSessionsFilter{Subject: proto.String("user_ada")}
	for protocol, tr := range r.transports() {
		for what, test := range map[string]struct {
			token string
			want  errorv1.Reason
		}{
			"no position":                   {"!", invalidPosition},
			"one of an earlier version":     {"eyJuIjoyfQ", invalidPosition},
			"one with more behind it":       {revocations + "AAAA", invalidPosition},
			"one that is padded":            {revocations + "=", invalidPosition},
			"a very long one":               {strings.Repeat("A", 17<<10), invalidPosition},
			"one of sessions":               {sessions, invalidPosition},
			"one of events":                 {events, invalidPosition},
			"one of another database":       {otherRevocations, otherEpoch},
			"one that is yet to be reached": {ahead, otherEpoch},
		} {
			res, err := tr.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageToken: test.token})
			wantError(t, "ListRevocations from "+what+" over "+protocol, err, test.want)
			if err == nil {
				t.Errorf("answered %v", res)
			}
		}
		for what, test := range map[string]struct {
			token  string
			filter *sessionv1.ListSessionsFilter
			order  sessionv1.SessionOrder
			want   errorv1.Reason
		}{
			"no position":               {"!", nil, 0, invalidPosition},
			"one of an earlier version": {"eyJ0IjoxfQ", nil, 0, invalidPosition},
			"one of revocations":        {revocations, nil, 0, invalidPosition},
			"one of events":             {events, nil, 0, invalidPosition},
			"one of another filter":     {sessions, ofAda, 0, invalidPosition},
			"one of another order":      {sessions, nil, sessionv1.SessionOrder_SESSION_ORDER_LAST_SEEN_DESC, invalidPosition},
			"one of none by subject":    {sessions, nil, sessionv1.SessionOrder_SESSION_ORDER_SUBJECT, invalidPosition},
			"one of another subject":    {ofAnAdmin.GetNextPageToken(), nil, 0, invalidPosition},
			"one of another database":   {otherSessions, nil, 0, otherEpoch},
		} {
			_, err := tr.sessions(t, otto).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageToken: test.token, Filter: test.filter, Order: test.order})
			wantError(t, "ListSessions from "+what+" over "+protocol, err, test.want)
		}
		for what, test := range map[string]struct {
			token string
			want  errorv1.Reason
		}{
			"no position":                   {"!", invalidPosition},
			"one of revocations":            {revocations, invalidPosition},
			"one of sessions":               {sessions, invalidPosition},
			"one of another server":         {otherEvents, otherEpoch},
			"one that is yet to be reached": {eventsAhead, otherEpoch},
		} {
			err := watchEnds(&sessionv1.WatchSessionsRequest{ResumeToken: test.token})(t.Context(), tr.sessions(t, otto))
			wantError(t, "WatchSessions from "+what+" over "+protocol, err, test.want)
		}
	}
	res, err := r.sessions(t, otto).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageToken: sessions, Filter: &sessionv1.ListSessionsFilter{}})
	if err != nil || len(res.GetSessions()) == 0 {
		t.Errorf("with a filter without fields, which is none: %v, error %v", res, err)
	}
}
