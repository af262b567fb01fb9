package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// guardOf guards a service that follows a hub and reports to it.
func guardOf(t *testing.T, r *running, service string) (*auth.Guard, *feed.Follower) {
	t.Helper()
	follower, err := feed.Follow(feed.Config{
		Hubs: []string{r.url}, TokenSource: authclient.StaticToken(secretOfFeed), Service: service, Transport: httpClient(t, true).Transport, Logger: r.config.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = follower.Close() })
	if err := follower.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	guard, err := ostiary.New(ostiary.Config{Issuer: r.issuer.URL(), AllowAnyAudience: true, Revocations: follower, Observer: follower, Logger: r.config.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Close() })
	return guard, follower
}

// admit shows the guard a call.
func admit(t *testing.T, guard *auth.Guard, token, userAgent string) {
	t.Helper()
	if _, err := guard.Admit(t.Context(), auth.Call{
		Procedure: identityv1connect.IdentityServiceWhoAmIProcedure, Protocol: "connect", Peer: "192.0.2.7:5000",
		Header: http.Header{"Authorization": {"Bearer " + token}, "User-Agent": {userAgent}},
	}); err != nil {
		t.Fatal(err)
	}
}

// sightings returns where a session was seen, as an operator sees it: by service, then user
// agent and address.
func (r *running) sightings(t *testing.T, session string) (string, *sessionv1.Session) {
	t.Helper()
	res, err := r.transports()["Connect"].sessions(t, r.issuer.Session("user_otto")).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range res.GetSessions() {
		if s.GetSession().GetSessionId() != session {
			continue
		}
		var seen []string
		for _, at := range s.GetSightings() {
			seen = append(seen, fmt.Sprintf("%s: %s at %s", at.GetService(), at.GetUserAgent(), at.GetIpAddress()))
		}
		return strings.Join(seen, "; "), s
	}
	return "", nil
}

func TestASessionIsListedWhereverItWasSeen(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(t *testing.T, c *settings.Config){
		"SQLite":     func(t *testing.T, c *settings.Config) { t.Helper(); c.DataDir = t.TempDir() },
		"PostgreSQL": func(t *testing.T, c *settings.Config) { t.Helper(); c.DatabaseURL = pgtest.NewDatabase(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := start(t, withFeed, func(c *settings.Config) { database(t, c) })
			other := start(t, withFeed, func(c *settings.Config) {
				c.DataDir, c.DatabaseURL, c.Issuers = one.config.DataDir, one.config.DatabaseURL, one.config.Issuers
			})
			other.issuer = one.issuer
			token := one.issuer.Session("user_ada", authtest.With("sid", "sess_1"))
			billing, follower := guardOf(t, one, "billing")
			shipping, _ := guardOf(t, other, "shipping")
			admit(t, billing, token, "Browser/1.0\x00")
			for _, r := range []*running{one, other} {
				eventually(t, "a session is listed that only a service has seen", func() bool {
					seen, _ := r.sightings(t, "sess_1")
					return seen == "billing: Browser/1.0 at 192.0.2.7"
				})
			}
			watch := one.transports()["gRPC"].watchSessions(t, one.issuer.Session("user_otto"))
			if _, err := one.identityClient(t, token).WhoAmI(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			for event := (*sessionv1.SessionEvent)(nil); event.GetSession().GetSession().GetSessionId() != "sess_1"; {
				if !watch.Receive() {
					t.Fatal(watch.Err())
				}
				for _, event = range watch.Msg().GetEvents() {
					if event.GetSession().GetSession().GetSessionId() == "sess_1" && (event.GetType() != sessionv1.SessionEventType_SESSION_EVENT_TYPE_CHANGED || len(event.GetSession().GetSightings()) != 2) {
						t.Errorf("event %v; want a change with two sightings", event)
					}
				}
			}
			admit(t, shipping, token, "Phone/2.0")
			eventually(t, "all three services are listed, the latest first", func() bool {
				seen, s := one.sightings(t, "sess_1")
				first, last := s.GetSightings()[len(s.GetSightings())-1].GetFirstSeenTime(), s.GetSightings()[0].GetLastSeenTime()
				return strings.HasPrefix(seen, "shipping: Phone/2.0 at 192.0.2.7; : connect-go") && strings.HasSuffix(seen, "; billing: Browser/1.0 at 192.0.2.7") &&
					proto.Equal(s.GetFirstSeenTime(), first) && proto.Equal(s.GetLastSeenTime(), last)
			})
			if status := follower.Status(); status.Unreported != 0 {
				t.Errorf("%d are unreported; want none", status.Unreported)
			}
		})
	}
}

// reportOf is a report of a session that is accepted.
func (r *running) reportOf(session string) *feedv1.SeenSession {
	now := r.config.Now()
	return &feedv1.SeenSession{
		Session: sessionRef(r.issuer.URL(), session, "user_ada"), UserAgent: "Browser/1.0", IpAddress: "192.0.2.7",
		FirstSeenTime: timestamppb.New(now), LastSeenTime: timestamppb.New(now), TokenIssueTime: timestamppb.New(now), TokenExpireTime: timestamppb.New(now.Add(time.Minute)),
	}
}

func TestAReportIsBelievedOnlyAsFarAsItCanBe(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	client := r.transports()["gRPC"].feed(t, secretOfFeed)
	in := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(d)) }
	for name, edit := range map[string]func(*feedv1.SeenSession){
		"no session":                        func(s *feedv1.SeenSession) { s.Session = nil },
		"an issuer that is not trusted":     func(s *feedv1.SeenSession) { s.Session.Issuer = "https://evil.example.com" },
		"a session of any subject":          func(s *feedv1.SeenSession) { s.Session = sessionRef(r.issuer.URL(), "sess_1", "") },
		"a session without an id":           func(s *feedv1.SeenSession) { s.Session.SessionId = "" },
		"an id with a NUL":                  func(s *feedv1.SeenSession) { s.Session.SessionId = "sess\x00" },
		"an id longer than any token":       func(s *feedv1.SeenSession) { s.Session.SessionId = strings.Repeat("s", 100_000) },
		"an organization with a line break": func(s *feedv1.SeenSession) { s.OrganizationId = "org\n" },
		"a long authorized party":           func(s *feedv1.SeenSession) { s.AuthorizedParty = strings.Repeat("a", 100_000) },
		"no time of the first call":         func(s *feedv1.SeenSession) { s.FirstSeenTime = nil },
		"no time of the last call":          func(s *feedv1.SeenSession) { s.LastSeenTime = nil },
		"a last call before the first":      func(s *feedv1.SeenSession) { s.LastSeenTime = in(-time.Hour) },
		"a last call in an hour":            func(s *feedv1.SeenSession) { s.LastSeenTime = in(time.Hour) },
		"a last call that nobody remembers": func(s *feedv1.SeenSession) {
			s.FirstSeenTime, s.LastSeenTime = in(-20000*time.Hour), in(-20000*time.Hour)
		},
		"a time that is none":                     func(s *feedv1.SeenSession) { s.LastSeenTime = &timestamppb.Timestamp{Seconds: 1 << 60} },
		"a first call before 1970":                func(s *feedv1.SeenSession) { s.FirstSeenTime = &timestamppb.Timestamp{Seconds: -5} },
		"a token that is issued in a minute":      func(s *feedv1.SeenSession) { s.TokenIssueTime = in(time.Minute) },
		"a token that never expires":              func(s *feedv1.SeenSession) { s.TokenExpireTime = nil },
		"a token that expires in a hundred years": func(s *feedv1.SeenSession) { s.TokenExpireTime = in(100 * 365 * 24 * time.Hour) },
		"a token that was never good":             func(s *feedv1.SeenSession) { s.TokenExpireTime = in(-time.Minute) },
		"an actor whose session has control letters": func(s *feedv1.SeenSession) {
			s.Actor = actorMessage(&auth.Actor{Subject: "user_otto", SessionID: "\x1b[2J"})
		},
	} {
		seen := r.reportOf("sess_1")
		edit(seen)
		res, err := client.Report(t.Context(), &feedv1.ReportRequest{Follower: someFollower(), Sessions: []*feedv1.SeenSession{seen}})
		if err != nil || res.GetRejectedCount() != 1 {
			t.Errorf("%s: %v, %v; want it rejected", name, res, err)
		}
	}
	if seen, _ := r.sightings(t, "sess_1"); seen != "" {
		t.Errorf("seen %q; want nothing", seen)
	}
}

func TestAReportIsShownAsFarAsItCanBe(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	client := r.transports()["gRPC"].feed(t, secretOfFeed)
	odd := r.reportOf("sess_2")
	odd.UserAgent, odd.IpAddress = strings.Repeat("é\u202e", 1000), "<script>"
	if res, err := client.Report(t.Context(), &feedv1.ReportRequest{Follower: someFollower(), Sessions: []*feedv1.SeenSession{odd}, DroppedCount: 7}); err != nil || res.GetRejectedCount() != 0 {
		t.Errorf("%v, %v; want it accepted", res, err)
	}
	if seen, _ := r.sightings(t, "sess_2"); !strings.HasPrefix(seen, "billing: éé") || !strings.HasSuffix(seen, "é at ") || len(seen) > 300 {
		t.Errorf("seen %q; want a user agent that can be shown, and no address", seen)
	}
	if !strings.Contains(r.log.String(), `state="has lost reports of sessions" service=billing instance_id=billing-0 left_out=0 rejected=0 dropped=7`) {
		t.Error("the log does not show what was dropped")
	}
}

func TestAReportThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	named := func(name string) *feedv1.ReportRequest {
		return &feedv1.ReportRequest{Follower: &feedv1.Follower{Service: name, InstanceId: "1"}, Sessions: []*feedv1.SeenSession{r.reportOf("sess_1")}}
	}
	for name, req := range map[string]*feedv1.ReportRequest{
		"nobody reports":           {},
		"a server's own name":      named(""),
		"a name with a NUL":        named("billing\x00"),
		"a name of a thousand":     named(strings.Repeat("b", 1000)),
		"too many sessions":        {Follower: someFollower(), Sessions: slices.Repeat([]*feedv1.SeenSession{r.reportOf("sess_1")}, 1001)},
		"fewer than none dropped":  {Follower: someFollower(), DroppedCount: -1},
		"an instance without name": {Follower: &feedv1.Follower{Service: "billing"}},
	} {
		for protocol, tr := range r.transports() {
			_, err := tr.feed(t, secretOfFeed).Report(t.Context(), req)
			wantError(t, name+", "+protocol, err, errorv1.Reason_REASON_INVALID_REQUEST)
		}
	}
	for name, token := range map[string]string{"an operator": r.issuer.Session("user_otto"), "a machine": r.issuer.Machine("mch_1")} {
		for protocol, tr := range r.transports() {
			_, err := tr.feed(t, token).Report(t.Context(), named("billing"))
			wantError(t, name+", "+protocol, err, errorv1.Reason_REASON_PERMISSION_REQUIRED)
		}
	}
	if seen, _ := r.sightings(t, "sess_1"); seen != "" {
		t.Errorf("seen %q; want nothing", seen)
	}
}

// Whatever a follower says of a session, what is refused stays refused, and nothing else is.
func TestAReportNeitherEndsNorRevivesASession(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	revoked, live := r.issuer.Session("user_ada", authtest.With("sid", "revoked")), r.issuer.Session("user_ada", authtest.With("sid", "live"))
	r.revoke(t, "revoked")
	var reports []*feedv1.SeenSession
	for _, session := range []string{"revoked", "live"} {
		seen := r.reportOf(session)
		seen.TokenIssueTime, seen.TokenExpireTime = timestamppb.New(time.Now().Add(-time.Minute)), timestamppb.New(time.Now().Add(-10*time.Second))
		reports = append(reports, seen)
	}
	if res, err := r.transports()["Connect"].feed(t, secretOfFeed).Report(t.Context(), &feedv1.ReportRequest{Follower: someFollower(), Sessions: reports}); err != nil || res.GetRejectedCount() != 0 {
		t.Fatal(res, err)
	}
	want := map[string]sessionv1.SessionState{"revoked": sessionv1.SessionState_SESSION_STATE_REVOKED, "live": sessionv1.SessionState_SESSION_STATE_EXPIRED}
	for session := range maps.Keys(want) {
		if _, s := r.sightings(t, session); s.GetState() != want[session] {
			t.Errorf("%s: %v; want %v", session, s.GetState(), want[session])
		}
	}
	_, err := r.identityClient(t, revoked).WhoAmI(t.Context(), nil)
	wantError(t, "the revoked session", err, errorv1.Reason_REASON_TOKEN_REVOKED)
	if _, err := r.identityClient(t, live).WhoAmI(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
