package server

import (
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/settings"
)

// owners begins a server with two issuers and returns tokens that all name the
// session of ada, among them her own.
func owners(t *testing.T) (r *running, tokens map[string]string) {
	t.Helper()
	elsewhere := hourIssuer{authtest.Start(t)}
	r = start(t, withOperator, func(c *settings.Config) {
		kinds := []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine}
		c.Issuers[0].Kinds = kinds
		c.Issuers = append(c.Issuers, settings.Issuer{URL: elsewhere.URL(), AllowAnyAudience: true, Kinds: kinds})
		c.OperatorSubjects = []string{c.Issuers[0].URL + "#user_otto"}
	})
	eventually(t, "the keys are there", r.ready)
	hers := authtest.With("sid", "ada-1")
	return r, map[string]string{
		"ada":                              r.issuer.Session("user_ada", hers, authtest.InOrganization("org_acme", "acme", "member")),
		"another subject":                  r.issuer.Session("user_mallory", hers),
		"an administrator elsewhere":       r.issuer.Session("user_mallory", hers, authtest.InOrganization("org_other", "other", "admin")),
		"an application of somebody else":  r.issuer.OAuth("user_mallory", hers),
		"the same subject, another issuer": elsewhere.Session("user_ada", hers),
		"a machine":                        r.issuer.Machine("mch_robo", hers),
		"a machine of another issuer":      elsewhere.Machine("mch_else", hers),
	}
}

// wantHers fails where the session of ada is not as she left it.
func wantHers(t *testing.T, r *running, token string, want *sessionv1.Session) {
	t.Helper()
	r.wantAdmitted(t, "her own token", token)
	res, err := r.sessions(t, token).GetSession(t.Context(), r.getReq("ada-1"))
	got := res.GetSession()
	if err != nil || got.GetSession().GetSubject() != "user_ada" || got.GetState() != active ||
		got.GetOrganizationId() != want.GetOrganizationId() ||
		!got.GetFirstSeenTime().AsTime().Equal(want.GetFirstSeenTime().AsTime()) ||
		!got.GetTokenIssueTime().AsTime().Equal(want.GetTokenIssueTime().AsTime()) ||
		!got.GetTokenExpireTime().AsTime().Equal(want.GetTokenExpireTime().AsTime()) {
		t.Errorf("her session is %v, error %v; want %v", got, err, want)
	}
}

func TestATokenThatNamesSomebodyElsesSessionDoesNotAffectIt(t *testing.T) {
	t.Parallel()
	for _, who := range []string{
		"another subject", "an administrator elsewhere", "an application of somebody else",
		"the same subject, another issuer", "a machine", "a machine of another issuer",
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			r, tokens := owners(t)
			r.seen(t, map[string]string{"ada": tokens["ada"]})
			before, err := r.sessions(t, tokens["ada"]).GetSession(t.Context(), r.getReq("ada-1"))
			if err != nil {
				t.Fatal(err)
			}
			isMachine := who == "a machine" || who == "a machine of another issuer"
			for protocol, tr := range r.transports() {
				client := tr.sessions(t, tokens[who])
				res, err := client.ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
				if err != nil {
					t.Fatal(err)
				}
				for _, session := range res.GetSessions() {
					if session.GetSession().GetSubject() == "user_ada" && session.GetSession().GetIssuer() == r.issuer.URL() || isMachine {
						t.Errorf("%s: it sees %v", protocol, session)
					}
				}
				_, err = client.GetSession(t.Context(), r.getReq("ada-1"))
				if sees := who == "another subject" || who == "an administrator elsewhere" || who == "an application of somebody else"; sees != (err == nil) || err != nil && connect.CodeOf(err) != connect.CodeNotFound {
					t.Errorf("%s: GetSession: %v; want a session of its own: %v, and otherwise not found", protocol, err, sees)
				}
				wantHers(t, r, tokens["ada"], before.GetSession())
			}
			// Ends what its own token names.
			_, err = r.sessions(t, tokens[who]).RevokeSession(t.Context(), revokeCurrent())
			if isMachine {
				if connect.CodeOf(err) != connect.CodeInvalidArgument {
					t.Errorf("RevokeSession: %v; want invalid argument, since a machine has no session", err)
				}
				_, err = r.sessions(t, tokens[who]).RevokeSession(t.Context(), r.revokeReq("ada-1"))
				if connect.CodeOf(err) != connect.CodeNotFound {
					t.Errorf("RevokeSession of hers: %v; want not found", err)
				}
			} else {
				if err != nil {
					t.Errorf("RevokeSession: %v", err)
				}
				r.wantReason(t, who, tokens[who], auth.TokenRevoked)
			}
			wantHers(t, r, tokens["ada"], before.GetSession())
			again := r.again(t) // what is on disk means the same
			again.wantAdmitted(t, "her token after a restart", tokens["ada"])
			if !isMachine {
				again.wantReason(t, who+" after a restart", tokens[who], auth.TokenRevoked)
			}
		})
	}
}

func TestASessionBelongsToItsSubjectEvenIfAnotherNamedItFirst(t *testing.T) {
	t.Parallel()
	r, tokens := owners(t)
	if _, err := r.sessions(t, tokens["another subject"]).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	for protocol, tr := range r.transports() {
		res, err := tr.sessions(t, tokens["ada"]).GetSession(t.Context(), r.getReq("ada-1"))
		if got := res.GetSession(); err != nil || got.GetSession().GetSubject() != "user_ada" || got.GetState() != active {
			t.Errorf("%s: her session is %v, error %v", protocol, got, err)
		}
	}
	if _, err := r.sessions(t, tokens["ada"]).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Error(err)
	}
	r.wantReason(t, "her own token, once she has ended it", tokens["ada"], auth.TokenRevoked)
	r.wantAdmitted(t, "the same id at another issuer", tokens["the same subject, another issuer"])
}

// The same ID and subject at another issuer is another session.
func TestASessionBelongsToItsIssuer(t *testing.T) {
	t.Parallel()
	r, tokens := owners(t)
	r.seen(t, map[string]string{"ada": tokens["ada"]})
	for protocol, tr := range r.transports() {
		_, err := tr.sessions(t, tokens["the same subject, another issuer"]).RevokeSession(t.Context(), r.revokeReq("ada-1"))
		if connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v; want not found", protocol, err)
		}
	}
	r.wantAdmitted(t, "her token", tokens["ada"])
}

func TestSigningOutASubjectEndsNoSessionOfAnother(t *testing.T) {
	t.Parallel()
	r, tokens := owners(t)
	r.seen(t, map[string]string{"ada": tokens["ada"], "mallory": tokens["another subject"]})
	res, err := r.sessions(t, tokens["another subject"]).RevokeSubject(t.Context(), subjectCurrent())
	if err != nil || res.GetRevokedSessionCount() != 1 {
		t.Errorf("%v, error %v; want one session ended", res, err)
	}
	r.wantReason(t, "the subject's own token", tokens["another subject"], auth.TokenRevoked)
	r.wantAdmitted(t, "her token", tokens["ada"])
}

// A session that is named with its subject is that of no other, also to an operator.
func TestASessionThatIsNamedWithItsSubjectIsThatOfNoOther(t *testing.T) {
	t.Parallel()
	r, tokens := owners(t)
	r.seen(t, map[string]string{"ada": tokens["ada"], "mallory": tokens["another subject"]})
	named := r.revokeReq("ada-1")
	named.GetSession().Owner = &revocationv1.SessionRef_Subject{Subject: "user_mallory"}
	_, err := r.sessions(t, tokens["ada"]).RevokeSession(t.Context(), named)
	wantError(t, "her own id, with another subject", err, errorv1.Reason_REASON_SESSION_NOT_FOUND)
	res, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), named)
	if err != nil || res.GetRevokedSessionCount() != 1 || res.GetRevocations()[0].GetTarget().GetSession().GetSubject() != "user_mallory" {
		t.Errorf("%v, error %v; want the one of mallory ended", res, err)
	}
	r.wantReason(t, "the subject's own token", tokens["another subject"], auth.TokenRevoked)
	r.wantAdmitted(t, "her token", tokens["ada"])
	// What is left is ended by a word for all.
	res, err = r.sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), r.revokeReq("ada-1"))
	if err != nil || res.GetRevokedSessionCount() != 1 || res.GetRevocations()[0].GetTarget().GetSession().GetAnySubject() == nil {
		t.Errorf("%v, error %v; want one more ended", res, err)
	}
	r.wantReason(t, "her token", tokens["ada"], auth.TokenRevoked)
}

// An operator's word ends a session for every token that names it; an administrator's for
// the members of the organization alone.
func TestWhoseSessionsAnOperatorAndAnAdministratorEnd(t *testing.T) {
	t.Parallel()
	for who, test := range map[string]struct {
		token, stays string
		count        int64
	}{
		"an operator":      {"operator", "", 2},
		"an administrator": {"administrator", "another subject", 1},
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			r, tokens := owners(t)
			tokens["operator"] = r.issuer.Session("user_otto")
			tokens["administrator"] = r.issuer.Session("user_alma", authtest.InOrganization("org_acme", "acme", "admin"))
			r.seen(t, map[string]string{"1": tokens["ada"], "2": tokens["another subject"]})
			client := r.sessions(t, tokens[test.token])
			got, err := client.GetSession(t.Context(), r.getReq("ada-1"))
			if test.count > 1 {
				wantFaults(t, "GetSession of two", err, "session.subject")
				got, err = client.GetSession(t.Context(), &sessionv1.GetSessionRequest{Session: sessionRef(r.issuer.URL(), "ada-1", "user_ada")})
			}
			if err != nil || got.GetSession().GetSession().GetSubject() != "user_ada" {
				t.Errorf("GetSession: %v, error %v; want hers", got, err)
			}
			res, err := client.RevokeSession(t.Context(), r.revokeReq("ada-1"))
			if err != nil || res.GetRevokedSessionCount() != test.count || len(res.GetRevocations()) != 1 {
				t.Fatalf("%v, error %v; want %d sessions ended", res, err, test.count)
			}
			r.wantReason(t, "her token", tokens["ada"], auth.TokenRevoked)
			if test.stays == "" {
				r.wantReason(t, "the other's token", tokens["another subject"], auth.TokenRevoked)
			} else {
				r.wantAdmitted(t, "the other's token", tokens[test.stays])
			}
		})
	}
}

func TestAWatcherGetsNoEventOfSomebodyElsesSessionByTheSameName(t *testing.T) {
	t.Parallel()
	r, tokens := owners(t)
	r.seen(t, map[string]string{"ada": tokens["ada"]})
	r.ledger.Flush(t.Context())
	hers := r.transports()["gRPC"].watchSessions(t, tokens["ada"])
	for _, who := range []string{"another subject", "the same subject, another issuer", "a machine"} {
		r.seen(t, map[string]string{who: tokens[who]})
	}
	r.ledger.Flush(t.Context())
	if _, err := r.sessions(t, tokens["another subject"]).RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Fatal(err)
	}
	renewed := r.issuer.Session("user_ada", authtest.With("sid", "ada-1"), authtest.IssuedAt(time.Now().Add(2*time.Second)))
	r.seen(t, map[string]string{"ada": renewed})
	r.ledger.Flush(t.Context())
	wantEvents(t, "ada", hers, "RENEWED ada-1")
	for _, event := range hers.Msg().GetEvents() {
		if got := event.GetSession().GetSession().GetSubject(); got != "user_ada" {
			t.Errorf("the session is of %s", got)
		}
	}
}

// There can be more of them than fit on a page.
func TestAllSessionsByAnIDEnd(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"ada-1", "otto"} {
		t.Run("by "+by, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			const count = rpcerror.MaxPageSize + 1
			for i := range count {
				r.ledger.See(&auth.Identity{
					Issuer: r.issuer.URL(), Subject: fmt.Sprint("user_", i), SessionID: "shared",
					Organization: auth.Organization{ID: "org_acme"}, ExpiresAt: time.Now().Add(time.Hour),
				}, "", func() string { return "" })
			}
			client := r.sessions(t, r.cast()[by])
			res, err := client.RevokeSession(t.Context(), r.revokeReq("shared"))
			if err != nil || res.GetRevokedSessionCount() != count {
				t.Fatalf("%d ended, error %v; want %d", res.GetRevokedSessionCount(), err, count)
			}
			res, err = client.RevokeSession(t.Context(), r.revokeReq("shared"))
			if err != nil || res.GetRevokedSessionCount() != 0 {
				t.Errorf("again: %d ended, error %v; want none", res.GetRevokedSessionCount(), err)
			}
		})
	}
}
