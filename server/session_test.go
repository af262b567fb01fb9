package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// An endpoint is a way to call a server: an address and a protocol.
type endpoint struct {
	url     string
	options []connect.ClientOption
}

func (r *running) transports() map[string]endpoint {
	return map[string]endpoint{
		"Connect":     {r.url, nil},
		"gRPC":        {r.url, []connect.ClientOption{connect.WithGRPC()}},
		"gRPC-Web":    {r.url, []connect.ClientOption{connect.WithGRPCWeb()}},
		"native gRPC": {"http://" + r.GRPCAddr().String(), []connect.ClientOption{connect.WithGRPC()}},
	}
}

func (tr endpoint) sessions(t *testing.T, token string) sessionv1connect.SessionServiceClient {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	return sessionv1connect.NewSessionServiceClient(httpClient(t, true), tr.url, options...)
}

// sessions calls over Connect.
func (r *running) sessions(t *testing.T, token string) sessionv1connect.SessionServiceClient {
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

func withOperator(c *Config) { c.OperatorSubjects = []string{"user_otto"} }

func names(sessions []*sessionv1.Session) string {
	var ids []string
	for _, s := range sessions {
		ids = append(ids, s.GetSessionId())
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
				if s.GetCurrent() != (s.GetSessionId() == caller) || s.GetRevoked() {
					t.Errorf("%s as %s: %v", protocol, caller, s)
				}
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
			_, none := client.GetSession(t.Context(), &sessionv1.GetSessionRequest{SessionId: "nobody"})
			if code := connect.CodeOf(none); code != connect.CodeNotFound {
				t.Errorf("%s as %s, a session that never was: %v", protocol, caller, none)
			}
			for session := range cast {
				res, err := client.GetSession(t.Context(), &sessionv1.GetSessionRequest{SessionId: session})
				if slices.Contains(strings.Fields(sees), session) {
					if err != nil || res.GetSession().GetSessionId() != session {
						t.Errorf("%s as %s, session %s: %v, %v", protocol, caller, session, res, err)
					}
					continue
				}
				_, revoke := client.RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{SessionId: session})
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
	token := r.issuer.Session("user_ada", authtest.With("sid", "sess_1"), authtest.With("azp", "https://app.example.com"),
		authtest.InOrganization("org_acme", "acme", "member"), authtest.IssuedAt(issued), authtest.ExpiresIn(time.Minute))
	before := time.Now().Truncate(time.Microsecond)
	for protocol, tr := range r.transports() {
		res, err := tr.sessions(t, token).GetSession(t.Context(), &sessionv1.GetSessionRequest{SessionId: "sess_1", Issuer: r.issuer.URL()})
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		got := res.GetSession()
		for what, pair := range map[string][2]string{
			"issuer":           {got.GetIssuer(), r.issuer.URL()},
			"subject":          {got.GetSubject(), "user_ada"},
			"organization":     {got.GetOrganizationId(), "org_acme"},
			"authorized party": {got.GetAuthorizedParty(), "https://app.example.com"},
			"address":          {got.GetAddress(), "127.0.0.1"},
			"token issued":     {got.GetTokenIssuedAt().AsTime().String(), issued.UTC().String()},
			"token expires":    {got.GetTokenExpiresAt().AsTime().String(), issued.Add(time.Minute).UTC().String()},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s %q; want %q", protocol, what, pair[0], pair[1])
			}
		}
		if !strings.Contains(got.GetUserAgent(), "connect") {
			t.Errorf("%s: user agent %q", protocol, got.GetUserAgent())
		}
		first, last := got.GetFirstSeenAt().AsTime(), got.GetLastSeenAt().AsTime()
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
		return b.GetFirstSeenAt().AsTime().Compare(a.GetFirstSeenAt().AsTime())
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
		filter *sessionv1.Filter
		want   string
	}{
		"an operator asks for a subject":                    {"otto", &sessionv1.Filter{Subject: "user_ada"}, "ada-1 ada-2"},
		"an operator asks for an organization":              {"otto", &sessionv1.Filter{OrganizationId: "org_acme"}, "ada-1 ben"},
		"an operator asks for both":                         {"otto", &sessionv1.Filter{Subject: "user_ada", OrganizationId: "org_acme"}, "ada-1"},
		"an operator asks for another issuer":               {"otto", &sessionv1.Filter{Issuer: "https://clerk.example.com"}, ""},
		"an administrator asks for a member":                {"ada-1", &sessionv1.Filter{Subject: "user_ben"}, "ben"},
		"an administrator asks for the organization":        {"ada-1", &sessionv1.Filter{OrganizationId: "org_acme", Issuer: r.issuer.URL()}, "ada-1 ben"},
		"an administrator asks for somebody elsewhere":      {"ada-1", &sessionv1.Filter{Subject: "user_dora"}, ""},
		"an administrator asks for another organization":    {"ada-1", &sessionv1.Filter{OrganizationId: "org_other"}, ""},
		"somebody asks for somebody else":                   {"cleo", &sessionv1.Filter{Subject: "user_ada"}, ""},
		"somebody asks for herself in another organization": {"cleo", &sessionv1.Filter{Subject: "user_cleo", OrganizationId: "org_acme"}, ""},
	} {
		res, err := r.sessions(t, cast[test.caller]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{Filter: test.filter})
		if got := names(res.GetSessions()); err != nil || got != test.want {
			t.Errorf("%s: %q, error %v; want %q", name, got, err, test.want)
		}
	}
}

func TestInvalidSessionRequestsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *Config) { c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindMachine} })
	ada := r.issuer.Session("user_ada")
	otto := r.issuer.Session("user_otto")
	robo := r.issuer.Machine("mch_robo")
	for name, test := range map[string]struct {
		token string
		call  func(context.Context, sessionv1connect.SessionServiceClient) error
		want  string
	}{
		"a page of less than nothing": {ada, list(&sessionv1.ListSessionsRequest{PageSize: -1}), "page_size: ask for 1 to 1000"},
		"a page of too much":          {ada, list(&sessionv1.ListSessionsRequest{PageSize: 1001}), "page_size: ask for 1 to 1000"},
		"a page token that is none":   {ada, list(&sessionv1.ListSessionsRequest{PageToken: "2"}), "page_token: not one of this method"},
		"a page token of another method": {
			ada, list(&sessionv1.ListSessionsRequest{PageToken: must(pageToken(revocationPlace{1}))}), "page_token: not one of this method",
		},
		"no session": {ada, func(ctx context.Context, c sessionv1connect.SessionServiceClient) error {
			_, err := c.GetSession(ctx, &sessionv1.GetSessionRequest{})
			return err
		}, "session_id: missing"},
		"the session of a machine": {robo, revoke(&sessionv1.RevokeSessionRequest{}), "session_id: missing, and your own token belongs to no session"},
		"an issuer that is not trusted": {
			otto, revoke(&sessionv1.RevokeSessionRequest{SessionId: "sess_1", Issuer: "https://clerk.example.com"}), "issuer: not one whose tokens are accepted here",
		},
		"an id that no token has":  {otto, revoke(&sessionv1.RevokeSessionRequest{SessionId: "sess\n1"}), "id: too long, or with control characters"},
		"a cause that is an essay": {ada, revoke(&sessionv1.RevokeSessionRequest{Cause: strings.Repeat("x", 501)}), "cause: over 500 bytes"},
	} {
		for protocol, tr := range r.transports() {
			err := test.call(t.Context(), tr.sessions(t, test.token))
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s over %s: %v; want %s", name, protocol, err, test.want)
			}
			if _, refused := connectauth.ReasonOf(err); refused {
				t.Errorf("%s over %s: is a refusal", name, protocol)
			}
		}
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

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
