package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// seedSessions is a statement that adds n sessions, which are numbered from 1: the last is the
// newest, and each has its own subject. Their tokens have expired, but for one in so many.
func seedSessions(issuer string, n, active int) string {
	return fmt.Sprintf(`INSERT INTO sessions WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT '%s', printf('sess_%%06d', i), printf('user_%%06d', i), CASE i %% 7 WHEN 0 THEN printf('org_%%03d', i %% 300) ELSE '' END,
			'https://app.example.com', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)', '192.0.2.1',
			1700000000000000 + i * 1000000, (unixepoch() - (i * 7919 %% 100003)) * 1000000, '', '', '', '', '', '',
			1700000000000000, CASE i %% %d WHEN 0 THEN 4000000000000000 ELSE 1700000001000000 END FROM n`, n, issuer, active)
}

func TestSessionsAreFoundByWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	cast["eve"] = r.issuer.Session("user_eve", authtest.With("sid", "eve"))
	r.seen(t, cast)
	otto := cast["otto"]
	if _, err := r.sessions(t, otto).RevokeSession(t.Context(), r.revokeReq("eve")); err != nil {
		t.Fatal(err)
	}
	delete(cast, "eve") // whose token is refused
	states := func(states ...sessionv1.SessionState) *sessionv1.ListSessionsFilter {
		return &sessionv1.ListSessionsFilter{States: states}
	}
	past, future := timestamppb.New(time.Now().Add(-time.Hour)), timestamppb.New(time.Now().Add(time.Hour))
	for protocol, tr := range r.transports() {
		for name, test := range map[string]struct {
			caller string
			filter *sessionv1.ListSessionsFilter
			want   string
		}{
			"an id begins so":                        {"otto", &sessionv1.ListSessionsFilter{Query: "ada-"}, "ada-1 ada-2"},
			"a subject begins so":                    {"otto", &sessionv1.ListSessionsFilter{Query: "user_a"}, "ada-1 ada-2"},
			"an organization begins so":              {"otto", &sessionv1.ListSessionsFilter{Query: "org_"}, "ada-1 ben dora"},
			"an administrator sees no other":         {"ada-1", &sessionv1.ListSessionsFilter{Query: "org_"}, "ada-1 ben"},
			"nor does anybody":                       {"cleo", &sessionv1.ListSessionsFilter{Query: "user_"}, "cleo"},
			"it goes on":                             {"otto", states(active), whoSeesWhom["otto"]},
			"it has ended":                           {"otto", states(revoked), "eve"},
			"it has ended, and is somebody else's":   {"cleo", states(revoked), ""},
			"it has expired":                         {"otto", states(expired), ""},
			"any of two states":                      {"otto", states(revoked, expired), "eve"},
			"this server has seen it":                {"ben", &sessionv1.ListSessionsFilter{Service: proto.String("")}, "ben"},
			"another service has":                    {"otto", &sessionv1.ListSessionsFilter{Service: proto.String("billing")}, ""},
			"it was not used for an hour":            {"otto", &sessionv1.ListSessionsFilter{LastSeenBeforeTime: past}, ""},
			"it was used":                            {"ben", &sessionv1.ListSessionsFilter{LastSeenBeforeTime: future}, "ben"},
			"all at once":                            {"otto", &sessionv1.ListSessionsFilter{Query: "user_a", Subject: proto.String("user_ada"), States: []sessionv1.SessionState{active}, Service: proto.String("")}, "ada-1 ada-2"},
			"one of two that exclude each other":     {"otto", &sessionv1.ListSessionsFilter{Query: "user_b", Subject: proto.String("user_ada")}, ""},
			"a filter that is not of the operator's": {"dora", &sessionv1.ListSessionsFilter{Query: "user_d", OrganizationId: proto.String("org_other")}, "dora"},
		} {
			res, err := tr.sessions(t, cast[test.caller]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{Filter: test.filter, CountTotal: true})
			count := int64(len(strings.Fields(test.want)))
			if got := names(res.GetSessions()); err != nil || got != test.want || res.GetTotalCount() != count || res.GetTotalCountIsMinimum() {
				t.Errorf("%s over %s: %q, in all %d, error %v; want %q", name, protocol, got, res.GetTotalCount(), err, test.want)
			}
		}
	}
	res, err := r.sessions(t, otto).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageSize: 1})
	if err != nil || res.TotalCount != nil {
		t.Errorf("without asking: counted %v, error %v", res.GetTotalCount(), err)
	}
}

func TestSessionsComeInEachOrderOverPagesThatEndEarly(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	r.database(t, seedSessions(r.issuer.URL(), 12_000, 5000))
	otto := r.sessions(t, r.issuer.Session("user_otto", authtest.With("sid", "otto")))
	if _, err := otto.RevokeSession(t.Context(), r.revokeReq("sess_000001")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		order  sessionv1.SessionOrder
		filter *sessionv1.ListSessionsFilter
		first  string // of those that match
		count  int
		total  int64
		atMost bool // whether the total is only a minimum
	}{
		"newest first":              {0, &sessionv1.ListSessionsFilter{Query: "sess_00000"}, "sess_000009", 9, 9, false},
		"oldest first":              {sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_ASC, &sessionv1.ListSessionsFilter{Query: "sess_00000"}, "sess_000001", 9, 9, false},
		"the one that ended":        {0, &sessionv1.ListSessionsFilter{States: []sessionv1.SessionState{revoked}}, "sess_000001", 1, 0, true},
		"those that go on":          {0, &sessionv1.ListSessionsFilter{States: []sessionv1.SessionState{active}}, "otto", 3, 3, false},
		"the oldest that go on":     {sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_ASC, &sessionv1.ListSessionsFilter{States: []sessionv1.SessionState{active}}, "sess_005000", 3, 3, false},
		"of this server, used last": {sessionv1.SessionOrder_SESSION_ORDER_LAST_SEEN_DESC, &sessionv1.ListSessionsFilter{Service: proto.String("")}, "otto", 1, 1, true},
		"by subject":                {sessionv1.SessionOrder_SESSION_ORDER_SUBJECT, &sessionv1.ListSessionsFilter{Query: "sess_00000"}, "sess_000001", 9, 9, false},
		"the one that ended, so":    {sessionv1.SessionOrder_SESSION_ORDER_SUBJECT, &sessionv1.ListSessionsFilter{States: []sessionv1.SessionState{revoked}}, "sess_000001", 1, 1, true},
		"of this server, so":        {sessionv1.SessionOrder_SESSION_ORDER_SUBJECT, &sessionv1.ListSessionsFilter{Service: proto.String("")}, "otto", 1, 0, true},
	} {
		seen := make(map[string]bool)
		var first string
		req := &sessionv1.ListSessionsRequest{Order: test.order, Filter: test.filter, PageSize: 4, CountTotal: true}
		for {
			res, err := otto.ListSessions(t.Context(), req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if req.GetCountTotal() && (res.GetTotalCount() != test.total || res.GetTotalCountIsMinimum() != test.atMost) {
				t.Errorf("%s: counted %d, at least %v; want %d, %v", name, res.GetTotalCount(), res.GetTotalCountIsMinimum(), test.total, test.atMost)
			}
			for _, s := range res.GetSessions() {
				if first == "" {
					first = s.GetSession().GetSessionId()
				}
				seen[s.GetSession().GetSessionId()] = true
			}
			if req.PageToken, req.CountTotal = res.GetNextPageToken(), false; req.GetPageToken() == "" {
				break
			}
		}
		if first != test.first || len(seen) != test.count {
			t.Errorf("%s: %d sessions, of which %s is the first; want %d, and %s", name, len(seen), first, test.count, test.first)
		}
	}
}

// Each page goes on where the one before has ended, also in the midst of a subject, and has what
// was seen a moment ago.
func TestThoseOfASubjectStandTogether(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	other := r.issuer.URL() + "/other"
	for _, issuer := range []string{other, r.issuer.URL()} {
		r.database(t, fmt.Sprintf(`INSERT INTO sessions WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
			SELECT '%s', printf('sess_%%06d', i), printf('user_%%d', i %% 7), '', '', '', '', 1700000000000000 + i * 7919 %% 61, 1700000000000000, '', '', '', '', '', '', 1700000000000000, 4000000000000000 FROM n`, issuer))
	}
	operator := r.issuer.Session("user_otto", authtest.With("sid", "otto"))
	for protocol, tr := range r.transports() {
		otto := tr.sessions(t, operator)
		r.seen(t, map[string]string{"3": r.issuer.Session("user_3", authtest.With("sid", "now over "+protocol))})
		var all []*sessionv1.Session
		for req := (&sessionv1.ListSessionsRequest{Order: sessionv1.SessionOrder_SESSION_ORDER_SUBJECT, PageSize: 7, Filter: &sessionv1.ListSessionsFilter{Query: "user_"}}); ; {
			res, err := otto.ListSessions(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, res.GetSessions()...)
			if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		if !slices.IsSortedFunc(all, func(a, b *sessionv1.Session) int {
			return cmp.Or(strings.Compare(a.GetSession().GetSubject(), b.GetSession().GetSubject()), strings.Compare(a.GetSession().GetIssuer(), b.GetSession().GetIssuer()),
				b.GetFirstSeenTime().AsTime().Compare(a.GetFirstSeenTime().AsTime()))
		}) {
			t.Errorf("over %s: not in order: %v", protocol, names(all))
		}
		at := slices.IndexFunc(all, func(s *sessionv1.Session) bool { return s.GetSession().GetSessionId() == "now over "+protocol })
		if at < 1 || all[at-1].GetSession().GetSubject() != "user_2" || all[at+1].GetSession().GetSubject() != "user_3" {
			t.Errorf("over %s: the one that was seen just now is at %d; want it to be the first of its subject", protocol, at)
		}
		seen := make(map[string]bool)
		for _, s := range all {
			seen[s.GetSession().GetIssuer()+" "+s.GetSession().GetSessionId()] = true
		}
		if len(seen) != len(all) || len(all) < 2*60+2 {
			t.Errorf("over %s: %d sessions, of which %d differ; want all 120, that of otto, and those of now, once", protocol, len(all), len(seen))
		}
	}
}

// A caller's own session is counted with its first call.
func TestACountHasTheLatestCalls(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	res, err := r.sessions(t, r.cast()["otto"]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{CountTotal: true})
	if err != nil || names(res.GetSessions()) != "otto" || res.GetTotalCount() != 1 {
		t.Errorf("%q, in all %d, error %v; want otto alone", names(res.GetSessions()), res.GetTotalCount(), err)
	}
}

func TestAPageOfAnotherOrderIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	otto := r.sessions(t, cast["otto"])
	req := &sessionv1.ListSessionsRequest{PageSize: 1}
	res, err := otto.ListSessions(t.Context(), req)
	if err != nil || res.GetNextPageToken() == "" {
		t.Fatalf("the next page is %q, error %v", res.GetNextPageToken(), err)
	}
	req.PageToken, req.Order = res.GetNextPageToken(), sessionv1.SessionOrder_SESSION_ORDER_LAST_SEEN_DESC
	_, err = otto.ListSessions(t.Context(), req)
	if connect.CodeOf(err) != connect.CodeInvalidArgument || errorInfoOf(t, err).GetReason() != "POSITION_INVALID" {
		t.Errorf("%v; want invalid argument, POSITION_INVALID", err)
	}
}
