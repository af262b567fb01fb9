package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	tokenv1 "github.com/ostiary/ostiary/gen/ostiary/token/v1"
	"github.com/ostiary/ostiary/gen/ostiary/token/v1/tokenv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

func (tr endpoint) explainToken(t *testing.T, token string, req *tokenv1.ExplainTokenRequest) (*tokenv1.ExplainTokenResponse, error) {
	t.Helper()
	client := tokenv1connect.NewTokenServiceClient(httpClient(t, true), tr.url, append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))...)
	return client.ExplainToken(t.Context(), req)
}

func TestOperatorsAloneHaveTokensExplained(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ada, otto := r.issuer.Session("user_ada"), r.issuer.Session("user_otto")
			for who, token := range map[string]string{
				"who is no operator":           ada,
				"who impersonates an operator": r.issuer.Session("user_otto", authtest.With("act", map[string]any{"sub": "user_eve"})),
			} {
				res, err := tr.explainToken(t, token, &tokenv1.ExplainTokenRequest{Token: ada})
				if reason, _ := reasonOf(err); reason != auth.PermissionRequired || res != nil {
					t.Errorf("%s: %v, %v; want %v", who, res, err, auth.PermissionRequired)
				}
			}
			for _, test := range []struct {
				field string
				req   *tokenv1.ExplainTokenRequest
			}{
				{"token", &tokenv1.ExplainTokenRequest{}},
				{"token", &tokenv1.ExplainTokenRequest{Token: strings.Repeat("a", 64<<10+1)}},
				{"procedures[0]", &tokenv1.ExplainTokenRequest{Token: ada, Procedures: []string{"/acme.v1.S/Get"}}},
				{"procedures[1]", &tokenv1.ExplainTokenRequest{Token: ada, Procedures: []string{sessionsListed, sessionsListed}}},
				{"procedures", &tokenv1.ExplainTokenRequest{Token: ada, Procedures: slices.Repeat([]string{sessionsListed}, 1001)}},
			} {
				_, err := tr.explainToken(t, otto, test.req)
				if got := violationsOf(t, err); !slices.Equal(got, []string{test.field}) {
					t.Errorf("%v: %v is wrong; want %s", err, got, test.field)
				}
			}
		})
	}
}

const (
	sessionsListed    = sessionv1connect.SessionServiceListSessionsProcedure
	revocationsListed = revocationv1connect.RevocationServiceListRevocationsProcedure
)

// failed are the names of the checks that have failed.
func failed(res *tokenv1.ExplainTokenResponse) (names []string) {
	for _, check := range res.GetChecks() {
		if check.GetOutcome() == tokenv1.TokenCheckOutcome_TOKEN_CHECK_OUTCOME_FAILED {
			names = append(names, check.GetName()+" "+check.GetReason().String())
		}
	}
	return names
}

func TestATokenIsExplained(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	tr := r.transports()["Connect"]
	ada := r.issuer.Session("user_ada")
	elsewhere := hourIssuer{authtest.Start(t)}
	r.revoke(t, "sess_revoked")
	for name, test := range map[string]struct {
		token    string
		failed   []string
		subject  string // "" without an identity
		verified bool
	}{
		"accepted":                 {ada, nil, "user_ada", true},
		"expired an hour ago":      {r.issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-2*time.Hour))), []string{"expiry REASON_TOKEN_EXPIRED"}, "user_ada", true},
		"revoked":                  {r.issuer.Session("user_rita", authtest.With("sid", "sess_revoked")), []string{"revocation REASON_TOKEN_REVOKED"}, "user_rita", true},
		"with another's signature": {ada[:len(ada)-10] + "AAAAAAAAAA", []string{"signature REASON_SIGNATURE_INVALID"}, "", false},
		"expired and revoked": {r.issuer.Session("user_rita", authtest.With("sid", "sess_revoked"), authtest.IssuedAt(time.Now().Add(-2*time.Hour))),
			[]string{"expiry REASON_TOKEN_EXPIRED", "revocation REASON_TOKEN_REVOKED"}, "user_rita", true},
		"revoked, without iat":             {r.issuer.Session("user_rita", authtest.With("sid", "sess_revoked"), authtest.Without("iat"), authtest.Without("nbf")), []string{"revocation REASON_TOKEN_REVOKED"}, "user_rita", true},
		"not valid yet":                    {r.issuer.Session("user_ada", authtest.With("nbf", time.Now().Add(30*time.Minute).Unix())), []string{"start REASON_TOKEN_NOT_YET_VALID"}, "", true},
		"bound to a key":                   {r.issuer.Session("user_ada", authtest.With("cnf", map[string]any{"jkt": "a"})), []string{"binding REASON_TOKEN_BINDING_UNCHECKED"}, "", true},
		"of an issuer that is not trusted": {elsewhere.Session("user_ada"), []string{"issuer REASON_ISSUER_UNTRUSTED"}, "", false},
		"no JWT":                           {"a.\x00<b>", []string{"form REASON_TOKEN_MALFORMED"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := tr.explainToken(t, r.issuer.Session("user_otto"), &tokenv1.ExplainTokenRequest{
				Token: test.token, Procedures: []string{revocationsListed, sessionsListed},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := failed(res); !slices.Equal(got, test.failed) || res.GetSignatureVerified() != test.verified || res.GetIdentity().GetSubject() != test.subject {
				t.Errorf("failed: %q, verified: %t, for %q; want %q, %t, %q", got, res.GetSignatureVerified(), res.GetIdentity().GetSubject(), test.failed, test.verified, test.subject)
			}
			var outcomes []accessv1.AccessOutcome
			for _, explanation := range res.GetExplanations() {
				outcomes = append(outcomes, explanation.GetOutcome())
			}
			want := []accessv1.AccessOutcome{accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET, accessv1.AccessOutcome_ACCESS_OUTCOME_MET}
			if test.subject == "" {
				want = nil
			}
			if !slices.Equal(outcomes, want) {
				t.Errorf("it may call %v; want %v", outcomes, want)
			}
			if last := res.GetChecks()[len(res.GetChecks())-1]; last.GetName() != "revocation" {
				t.Errorf("the last check is %v", last)
			}
		})
	}
	t.Run("and does not count as a call", func(t *testing.T) {
		t.Parallel()
		unseen := r.issuer.Session("user_uma", authtest.With("sid", "sess_unseen"))
		if _, err := tr.explainToken(t, r.issuer.Session("user_otto"), &tokenv1.ExplainTokenRequest{Token: unseen}); err != nil {
			t.Fatal(err)
		}
		res, err := tr.sessions(t, r.issuer.Session("user_otto")).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range res.GetSessions() {
			if session.GetSession().GetSubject() == "user_uma" {
				t.Error("the session of a token that was only explained is listed")
			}
		}
		if parts := strings.Split(unseen, "."); strings.Contains(r.log.String(), parts[1]) || strings.Contains(r.log.String(), parts[2]) {
			t.Error("the log has the token")
		}
	})
}
