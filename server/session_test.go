package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// An endpoint is a way to call a server: an address and a protocol.
type endpoint struct {
	url     string
	options []connect.ClientOption
	issuer  string // of the sessions that are named
}

func (r *running) transports() map[string]endpoint {
	return map[string]endpoint{
		"Connect":     {r.url, nil, r.issuer.URL()},
		"gRPC":        {r.url, []connect.ClientOption{connect.WithGRPC()}, r.issuer.URL()},
		"gRPC-Web":    {r.url, []connect.ClientOption{connect.WithGRPCWeb()}, r.issuer.URL()},
		"native gRPC": {"http://" + r.GRPCAddr().String(), []connect.ClientOption{connect.WithGRPC()}, r.issuer.URL()},
	}
}

func (tr endpoint) getReq(id string) *sessionv1.GetSessionRequest {
	return &sessionv1.GetSessionRequest{Session: sessionRef(tr.issuer, id, "")}
}

func (tr endpoint) revokeReq(id string) *sessionv1.RevokeSessionRequest {
	return &sessionv1.RevokeSessionRequest{Target: &sessionv1.RevokeSessionRequest_Session{Session: sessionRef(tr.issuer, id, "")}}
}

func (tr endpoint) subjectReq(subject string) *sessionv1.RevokeSubjectRequest {
	return &sessionv1.RevokeSubjectRequest{Target: &sessionv1.RevokeSubjectRequest_Subject{
		Subject: &revocationv1.SubjectRef{Issuer: tr.issuer, Subject: subject},
	}}
}

// ofSession revokes a session of any subject.
func (tr endpoint) ofSession(id string) *revocationv1.NewRevocation {
	return &revocationv1.NewRevocation{Target: targetMessage(store.Target{Kind: "session", Issuer: tr.issuer, Value: id})}
}

func (r *running) getReq(id string) *sessionv1.GetSessionRequest {
	return r.transports()["Connect"].getReq(id)
}

func (r *running) revokeReq(id string) *sessionv1.RevokeSessionRequest {
	return r.transports()["Connect"].revokeReq(id)
}

func (r *running) subjectReq(subject string) *sessionv1.RevokeSubjectRequest {
	return r.transports()["Connect"].subjectReq(subject)
}

func (r *running) ofSession(id string) *revocationv1.NewRevocation {
	return r.transports()["Connect"].ofSession(id)
}

func revokeCurrent() *sessionv1.RevokeSessionRequest {
	return &sessionv1.RevokeSessionRequest{Target: &sessionv1.RevokeSessionRequest_CurrentSession{CurrentSession: &sessionv1.CurrentSession{}}}
}

func subjectCurrent() *sessionv1.RevokeSubjectRequest {
	return &sessionv1.RevokeSubjectRequest{Target: &sessionv1.RevokeSubjectRequest_CurrentSubject{CurrentSubject: &sessionv1.CurrentSubject{}}}
}

func (tr endpoint) sessions(t testing.TB, token string) sessionv1connect.SessionServiceClient {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	return sessionv1connect.NewSessionServiceClient(httpClient(t, true), tr.url, options...)
}

// sessions calls over Connect.
func (r *running) sessions(t testing.TB, token string) sessionv1connect.SessionServiceClient {
	t.Helper()
	return r.transports()["Connect"].sessions(t, token)
}

// cast are tokens of several people, by session. The session's name says who it
// is of.
func (r *running) cast() map[string]string {
	return map[string]string{
		"ada-1": r.issuer.Session("user_ada", authtest.With("sid", "ada-1"), authtest.InOrganization("org_acme", "acme", "admin")),
		"ada-2": r.issuer.Session("user_ada", authtest.With("sid", "ada-2")),
		"ben":   r.issuer.Session("user_ben", authtest.With("sid", "ben"), authtest.InOrganization("org_acme", "acme", "member")),
		"cleo":  r.issuer.Session("user_cleo", authtest.With("sid", "cleo")),
		"dora":  r.issuer.Session("user_dora", authtest.With("sid", "dora"), authtest.InOrganization("org_other", "other", "admin")),
		"otto":  r.issuer.Session("user_otto", authtest.With("sid", "otto")),
	}
}

// seen makes the server see everybody.
func (r *running) seen(t *testing.T, cast map[string]string) {
	t.Helper()
	for _, session := range slices.Sorted(maps.Keys(cast)) {
		if _, err := r.native(t.Context(), t, cast[session]); err != nil {
			t.Fatalf("%s: %v", session, err)
		}
	}
}

// whoSeesWhom says which sessions are listed to whom.
var whoSeesWhom = map[string]string{
	"ada-1": "ada-1 ada-2 ben", // an administrator
	"ada-2": "ada-1 ada-2",     // the same, acting for herself
	"ben":   "ben",
	"cleo":  "cleo",
	"dora":  "dora",
	"otto":  "ada-1 ada-2 ben cleo dora otto", // an operator
}

const (
	active  = sessionv1.SessionState_SESSION_STATE_ACTIVE
	expired = sessionv1.SessionState_SESSION_STATE_EXPIRED
	revoked = sessionv1.SessionState_SESSION_STATE_REVOKED
)

func withOperator(c *settings.Config) { c.OperatorSubjects = []string{"user_otto"} }

func names(sessions []*sessionv1.Session) string {
	var ids []string
	for _, s := range sessions {
		ids = append(ids, s.GetSession().GetSessionId())
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestWhoSeesWhichSessions(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	for protocol, tr := range r.transports() {
		for caller, want := range whoSeesWhom {
			res, err := tr.sessions(t, cast[caller]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
			if err != nil {
				t.Fatalf("%s as %s: %v", protocol, caller, err)
			}
			if got := names(res.GetSessions()); got != want || res.GetNextPageToken() != "" {
				t.Errorf("%s as %s: %s, next page %q; want %s", protocol, caller, got, res.GetNextPageToken(), want)
			}
			for _, s := range res.GetSessions() {
				if s.GetState() != active || s.GetRevocation() != nil {
					t.Errorf("%s as %s: %v", protocol, caller, s)
				}
			}
			if current := res.GetCurrentSession(); current.GetSessionId() != caller || current.GetIssuer() != r.issuer.URL() || current.GetSubject() == "" {
				t.Errorf("%s as %s: the current session is %v", protocol, caller, current)
			}
		}
	}
}

func TestASessionOfSomebodyElseIsNotFound(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	for protocol, tr := range r.transports() {
		for caller, sees := range whoSeesWhom {
			client := tr.sessions(t, cast[caller])
			_, none := client.GetSession(t.Context(), r.getReq("nobody"))
			if code := connect.CodeOf(none); code != connect.CodeNotFound {
				t.Errorf("%s as %s, a session that never was: %v", protocol, caller, none)
			}
			for session := range cast {
				res, err := client.GetSession(t.Context(), r.getReq(session))
				if slices.Contains(strings.Fields(sees), session) {
					if err != nil || res.GetSession().GetSession().GetSessionId() != session {
						t.Errorf("%s as %s, session %s: %v, %v", protocol, caller, session, res, err)
					}
					continue
				}
				_, revoke := client.RevokeSession(t.Context(), r.revokeReq(session))
				for _, err := range []error{err, revoke} {
					if fmt.Sprint(err) != fmt.Sprint(none) {
						t.Errorf("%s as %s, session %s: %v; want %v", protocol, caller, session, err, none)
					}
				}
			}
		}
	}
}

func TestASessionIsShownAsItWasSeen(t *testing.T) {
	t.Parallel()
	r := start(t)
	issued := time.Now().Truncate(time.Second)
	token := r.issuer.Session("user_ada", authtest.With("sid", "sess_1"), authtest.With("azp", "https://app.example.com"), authtest.With("client_id", "client_1"),
		authtest.With("act", map[string]any{"sub": "user_support", "iss": r.issuer.URL()}),
		authtest.InOrganization("org_acme", "acme", "member"), authtest.IssuedAt(issued), authtest.ExpiresIn(time.Minute))
	before := time.Now().Truncate(time.Microsecond)
	for protocol, tr := range r.transports() {
		res, err := tr.sessions(t, token).GetSession(t.Context(), r.getReq("sess_1"))
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		got := res.GetSession()
		if len(got.GetSightings()) != 1 {
			t.Fatalf("%s: %v; want one sighting", protocol, got)
		}
		seen := got.GetSightings()[0]
		for what, pair := range map[string][2]string{
			"issuer":           {got.GetSession().GetIssuer(), r.issuer.URL()},
			"subject":          {got.GetSession().GetSubject(), "user_ada"},
			"actor":            {got.GetActor().GetSubject(), "user_support"},
			"service":          {seen.GetService(), ""},
			"client":           {seen.GetClientId(), "client_1"},
			"organization":     {got.GetOrganizationId(), "org_acme"},
			"authorized party": {seen.GetAuthorizedParty(), "https://app.example.com"},
			"address":          {seen.GetIpAddress(), "127.0.0.1"},
			"token issued":     {got.GetTokenIssueTime().AsTime().String(), issued.UTC().String()},
			"token expires":    {got.GetTokenExpireTime().AsTime().String(), issued.Add(time.Minute).UTC().String()},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s %q; want %q", protocol, what, pair[0], pair[1])
			}
		}
		if !strings.Contains(seen.GetUserAgent(), "connect") {
			t.Errorf("%s: user agent %q", protocol, seen.GetUserAgent())
		}
		first, last := got.GetFirstSeenTime().AsTime(), got.GetLastSeenTime().AsTime()
		if first.Before(before) || last.Before(first) || last.After(time.Now()) {
			t.Errorf("%s: first seen %v, last seen %v", protocol, first, last)
		}
	}
}

func TestSessionsAreListedInPages(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	client := r.sessions(t, cast["otto"])
	var got []*sessionv1.Session
	req := &sessionv1.ListSessionsRequest{PageSize: 4}
	for {
		res, err := client.ListSessions(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, res.GetSessions()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if names(got) != whoSeesWhom["otto"] {
		t.Errorf("the pages have %s", names(got))
	}
	if !slices.IsSortedFunc(got, func(a, b *sessionv1.Session) int {
		return b.GetFirstSeenTime().AsTime().Compare(a.GetFirstSeenTime().AsTime())
	}) {
		t.Errorf("the pages are in no order: %v", got)
	}
}

func TestAFilterNarrowsWhatTheCallerSees(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	for name, test := range map[string]struct {
		caller string
		filter *sessionv1.ListSessionsFilter
		want   string
	}{
		"an operator asks for a subject":                    {"otto", &sessionv1.ListSessionsFilter{Subject: proto.String("user_ada")}, "ada-1 ada-2"},
		"an operator asks for an organization":              {"otto", &sessionv1.ListSessionsFilter{OrganizationId: proto.String("org_acme")}, "ada-1 ben"},
		"an operator asks for both":                         {"otto", &sessionv1.ListSessionsFilter{Subject: proto.String("user_ada"), OrganizationId: proto.String("org_acme")}, "ada-1"},
		"an operator asks for another issuer":               {"otto", &sessionv1.ListSessionsFilter{Issuer: proto.String("https://clerk.example.com")}, ""},
		"an administrator asks for a member":                {"ada-1", &sessionv1.ListSessionsFilter{Subject: proto.String("user_ben")}, "ben"},
		"an administrator asks for the organization":        {"ada-1", &sessionv1.ListSessionsFilter{OrganizationId: proto.String("org_acme"), Issuer: proto.String(r.issuer.URL())}, "ada-1 ben"},
		"an administrator asks for somebody elsewhere":      {"ada-1", &sessionv1.ListSessionsFilter{Subject: proto.String("user_dora")}, ""},
		"an administrator asks for another organization":    {"ada-1", &sessionv1.ListSessionsFilter{OrganizationId: proto.String("org_other")}, ""},
		"somebody asks for somebody else":                   {"cleo", &sessionv1.ListSessionsFilter{Subject: proto.String("user_ada")}, ""},
		"somebody asks for herself in another organization": {"cleo", &sessionv1.ListSessionsFilter{Subject: proto.String("user_cleo"), OrganizationId: proto.String("org_acme")}, ""},
		"an operator asks for those in no organization":     {"otto", &sessionv1.ListSessionsFilter{OrganizationId: proto.String("")}, "ada-2 cleo otto"},
		"an administrator asks for those in none":           {"ada-1", &sessionv1.ListSessionsFilter{OrganizationId: proto.String("")}, "ada-2"},
	} {
		res, err := r.sessions(t, cast[test.caller]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{Filter: test.filter})
		if got := names(res.GetSessions()); err != nil || got != test.want {
			t.Errorf("%s: %q, error %v; want %q", name, got, err, test.want)
		}
	}
}

func TestInvalidSessionRequestsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindMachine} })
	ada := r.issuer.Session("user_ada")
	otto := r.issuer.Session("user_otto")
	robo := r.issuer.Machine("mch_robo")
	withCause := func(req *sessionv1.RevokeSessionRequest, cause string) *sessionv1.RevokeSessionRequest {
		req.Cause = cause
		return req
	}
	untrusted := r.revokeReq("sess_1")
	untrusted.GetSession().Issuer = "https://clerk.example.com"
	for name, test := range map[string]struct {
		token string
		call  func(context.Context, sessionv1connect.SessionServiceClient) error
		want  []string // fields
	}{
		"an order that is not known": {ada, list(&sessionv1.ListSessionsRequest{Order: 99}), []string{"order"}},
		"states that are not known": {ada, list(&sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{
			States: []sessionv1.SessionState{active, sessionv1.SessionState_SESSION_STATE_UNSPECIFIED, 99},
		}}), []string{"filter.states[1]", "filter.states[2]"}},
		"a query that is longer than any id": {ada, list(&sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{
			Query: strings.Repeat("a", 1<<20),
		}}), []string{"filter.query"}},
		"a last use before all time": {ada, list(&sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{
			LastSeenBeforeTime: &timestamppb.Timestamp{},
		}}), []string{"filter.last_seen_before_time"}},
		"a page of less than nothing":      {ada, list(&sessionv1.ListSessionsRequest{PageSize: -1}), []string{"page_size"}},
		"a filter with an empty issuer":    {ada, list(&sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Issuer: proto.String("")}}), []string{"filter.issuer"}},
		"a filter with an empty subject":   {ada, list(&sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{Subject: proto.String("")}}), []string{"filter.subject"}},
		"a watch with an empty filter":     {ada, watchEnds(&sessionv1.WatchSessionsRequest{Filter: &sessionv1.WatchSessionsFilter{Issuer: proto.String(""), Subject: proto.String("")}}), []string{"filter.issuer", "filter.subject"}},
		"no session":                       {ada, get(&sessionv1.GetSessionRequest{}), []string{"session.issuer", "session.session_id", "session.subject"}},
		"a session without owner":          {ada, get(&sessionv1.GetSessionRequest{Session: &revocationv1.SessionRef{Issuer: "x", SessionId: "y"}}), []string{"session.subject"}},
		"the session of a machine":         {robo, revoke(revokeCurrent()), []string{"current_session"}},
		"no session to revoke":             {ada, revoke(&sessionv1.RevokeSessionRequest{}), []string{"target"}},
		"an issuer that is not trusted":    {otto, revoke(untrusted), []string{"session.issuer"}},
		"an id that no token has":          {otto, revoke(r.revokeReq("sess\n1")), []string{"session.session_id"}},
		"a cause that is an essay":         {ada, revoke(withCause(revokeCurrent(), strings.Repeat("ü", 501))), []string{"cause"}},
		"a cause of two lines":             {ada, revoke(withCause(revokeCurrent(), "a\nb")), []string{"cause"}},
		"a request_id that is too long":    {ada, revoke(&sessionv1.RevokeSessionRequest{RequestId: strings.Repeat("x", 129)}), []string{"target", "request_id"}},
		"a request_id with a space":        {ada, revoke(&sessionv1.RevokeSessionRequest{RequestId: "a b", Target: revokeCurrent().GetTarget()}), []string{"request_id"}},
		"a request_id in another alphabet": {ada, revoke(&sessionv1.RevokeSessionRequest{RequestId: "ü", Target: revokeCurrent().GetTarget()}), []string{"request_id"}},
	} {
		for protocol, tr := range r.transports() {
			wantFaults(t, name+" over "+protocol, test.call(t.Context(), tr.sessions(t, test.token)), test.want...)
		}
	}
	r.wantAdmitted(t, "the caller", ada)
}

// wantFaults fails unless the error is INVALID_REQUEST with these fields.
func wantFaults(t *testing.T, what string, err error, fields ...string) {
	t.Helper()
	if got := violationsOf(t, err); len(got) == 0 || !slices.Equal(got, fields) {
		t.Errorf("%s: %q are wrong, by %v; want %q", what, got, err, fields)
	}
}

// wantError fails unless the error has the reason of a service.
func wantError(t *testing.T, what string, err error, want errorv1.Reason) {
	t.Helper()
	if info := errorInfoOf(t, err); info.GetDomain() != auth.ErrorDomain || "REASON_"+info.GetReason() != want.String() {
		t.Errorf("%s: %v, %v; want %v", what, info, err, want)
	}
}

func get(req *sessionv1.GetSessionRequest) func(context.Context, sessionv1connect.SessionServiceClient) error {
	return func(ctx context.Context, c sessionv1connect.SessionServiceClient) error {
		_, err := c.GetSession(ctx, req)
		return err
	}
}

// watchEnds returns why a watch ends at once.
func watchEnds(req *sessionv1.WatchSessionsRequest) func(context.Context, sessionv1connect.SessionServiceClient) error {
	return func(ctx context.Context, c sessionv1connect.SessionServiceClient) error {
		stream, err := c.WatchSessions(ctx, req)
		if err != nil {
			return err
		}
		stream.Receive()
		return errors.Join(stream.Err(), stream.Close())
	}
}

func list(req *sessionv1.ListSessionsRequest) func(context.Context, sessionv1connect.SessionServiceClient) error {
	return func(ctx context.Context, c sessionv1connect.SessionServiceClient) error {
		_, err := c.ListSessions(ctx, req)
		return err
	}
}

func revoke(req *sessionv1.RevokeSessionRequest) func(context.Context, sessionv1connect.SessionServiceClient) error {
	return func(ctx context.Context, c sessionv1connect.SessionServiceClient) error {
		_, err := c.RevokeSession(ctx, req)
		return err
	}
}
