package server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/settings"
)

// A refusal that a caller can have, and what the log says of it beside who calls.
type loggedRefusal struct {
	token  func(r *running) string
	reason auth.Reason
	cause  []string
	// stranger is set where the signature was not found to hold.
	stranger bool
	// call is WhoAmI by default.
	call func(t *testing.T, tr endpoint, token string) error
}

// known are the claims by which a line names a token, and those that strictly asks for.
var known = []authtest.Edit{
	authtest.With("sid", "sess_known"), authtest.With("jti", "jti_known"),
	authtest.With("aud", "https://api.example.com"), authtest.With("azp", "https://app.example.com"),
}

func session(edits ...authtest.Edit) func(*running) string {
	return func(r *running) string {
		return r.issuer.Session("user_known", append(known[:len(known):len(known)], edits...)...)
	}
}

func loggedRefusals() map[string]loggedRefusal {
	const past = -2 * time.Hour
	forged := func(r *running) string {
		return session(authtest.SignedBy(authtest.NewKey("RS256").WithID(r.issuer.Key().ID())))(r)
	}
	explain := func(t *testing.T, tr endpoint, token string) error {
		t.Helper()
		_, err := tr.access(t, token).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{})
		return err
	}
	list := func(t *testing.T, tr endpoint, token string) error {
		t.Helper()
		_, err := tr.sessions(t, token).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
		return err
	}
	return map[string]loggedRefusal{
		"no token":           {token: func(*running) string { return "" }, reason: auth.TokenMissing, stranger: true},
		"no JWT":             {token: func(*running) string { return "a.b.c" }, reason: auth.TokenMalformed, stranger: true, cause: []string{"cause="}},
		"a forged signature": {token: forged, reason: auth.SignatureInvalid, stranger: true, cause: []string{"cause="}},
		"an unknown key":     {token: session(authtest.SignedBy(authtest.NewKey("RS256"))), reason: auth.KeyUnknown, stranger: true, cause: []string{"cause="}},
		"an algorithm":       {token: session(authtest.Header("alg", "HS256")), reason: auth.AlgorithmNotAllowed, stranger: true, cause: []string{"HS256", "is not on the list of", "RS256"}},
		"a foreign issuer":   {token: session(authtest.With("iss", "https://foreign.example.com")), reason: auth.IssuerUntrusted, stranger: true, cause: []string{"https://foreign.example.com", "is not configured; configured: "}},
		"the issuer with a slash": {
			token:  func(r *running) string { return session(authtest.With("iss", r.issuer.URL()+"/"))(r) },
			reason: auth.IssuerUntrusted, stranger: true, cause: []string{"only by a trailing slash"},
		},
		"an hour too late": {token: session(authtest.IssuedAt(time.Now().Add(past)), authtest.ExpiresIn(time.Hour)), reason: auth.TokenExpired, cause: []string{"expired 1h", ": exp 20", ", now 20", ", leeway 5s"}},
		"too early":        {token: session(authtest.IssuedAt(time.Now().Add(time.Hour))), reason: auth.TokenNotYetValid, cause: []string{"iat 20", "now 20", "leeway 5s"}},
		"for too long":     {token: session(authtest.ExpiresIn(1000 * time.Hour)), reason: auth.TokenLifetimeTooLong, cause: []string{"lives for 1000h0m0s, the limit is 24h0m0s", "exp 20"}},
		"another audience": {token: session(authtest.With("aud", "somebody-else")), reason: auth.AudienceMismatch, cause: []string{"somebody-else", "configured: ", "https://api.example.com"}},
		"the audience with a slash": {
			token: session(authtest.With("aud", "https://api.example.com/")), reason: auth.AudienceMismatch,
			cause: []string{"only by a trailing slash"},
		},
		"the audience by http": {
			token: session(authtest.With("aud", "http://API.example.com")), reason: auth.AudienceMismatch,
			cause: []string{"only by case and the scheme (http or https)"},
		},
		"another party":                {token: session(authtest.With("azp", "https://other.example.com")), reason: auth.AuthorizedPartyMismatch, cause: []string{"https://other.example.com", "configured: ", "https://app.example.com"}},
		"the party with a slash":       {token: session(authtest.With("azp", "https://app.example.com/")), reason: auth.AuthorizedPartyMismatch, cause: []string{"only by a trailing slash"}},
		"a claim of the wrong type":    {token: session(authtest.With("act", "x")), reason: auth.ClaimInvalid, cause: []string{"claim act is not an object"}},
		"a token that is to refresh":   {token: session(authtest.With("token_use", "refresh")), reason: auth.TokenKindUnsupported, cause: []string{"claim token_use"}},
		"a token bound to a key":       {token: session(authtest.With("cnf", map[string]any{"jkt": "x"})), reason: auth.TokenBindingUnchecked, cause: []string{"bound to a key by cnf"}},
		"a session with a task":        {token: session(authtest.With("sts", "pending"), authtest.With("v", 2)), reason: auth.SessionPending, cause: []string{"outstanding task"}},
		"a role that is lacking":       {token: session(authtest.InOrganization("org_1", "acme", "Auditor", "x:y")), reason: auth.RoleRequired, call: explain, cause: []string{"needs the role", "the token has", "org:Auditor", "only by case"}},
		"a permission that is lacking": {token: session(authtest.InOrganization("org_1", "acme", "admin", "notes:write")), reason: auth.PermissionRequired, call: list, cause: []string{"notes:read", "and the token has", "notes:write"}},
	}
}

// strictly asks for what the tokens of the table lack.
func strictly(c *settings.Config) {
	c.Issuers[0].AllowAnyAudience = false
	c.Issuers[0].Audiences = []string{"https://api.example.com"}
	c.Issuers[0].AuthorizedParties = []string{"https://app.example.com"}
	c.Rules = append(c.Rules,
		policy.Override("/ostiary.access.v1.AccessService/ExplainAccess", policy.Require(&policyv1.Require{AnyRole: []string{"auditor"}})),
		policy.Override("/ostiary.session.v1.SessionService/ListSessions", policy.Require(&policyv1.Require{AllPermissions: []string{"org:notes:read"}})),
	)
}

// The operator finds the caller, the token and what was compared; the caller learns none of it.
func TestARefusalIsLoggedWithWhoCalledAndWhatWasCompared(t *testing.T) {
	t.Parallel()
	r := start(t, strictly)
	eventually(t, "the server is ready", r.ready)
	for protocol, tr := range r.transports() {
		for name, test := range loggedRefusals() {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				t.Parallel()
				var got answered
				tr := tr
				tr.options = append(tr.options[:len(tr.options):len(tr.options)], connect.WithInterceptors(&got))
				token := test.token(r)
				var err error
				if test.call != nil {
					err = test.call(t, tr, token)
				} else {
					_, err = tr.identity(t, token).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
				}
				if reason, _ := reasonOf(err); reason != test.reason {
					t.Fatalf("%v; want %v", err, test.reason)
				}
				parts := append([]string{"request_id=" + got.header.Get("X-Request-Id"), "reason=" + test.reason.String()}, test.cause...)
				if !test.stranger {
					parts = append(parts, "issuer="+r.issuer.URL(), "subject=user_known", "session=sess_known", "kid="+r.issuer.Key().ID(), "token_id=jti_known")
				}
				eventually(t, "the log has "+strings.Join(parts, " "), func() bool { return contains(r.log, parts...) })
				if test.stranger && contains(r.log, parts[0], "user_known") {
					t.Error("the log believes a token whose signature was not found to hold")
				}
				sent := sentWith(t, err, got)
				for _, secret := range append(test.cause, "user_known", "sess_known", "jti_known", r.issuer.Key().ID(), "api.example.com", "app.example.com") {
					if secret != "cause=" && strings.Contains(sent, secret) {
						t.Errorf("the caller gets %q: %s", secret, sent)
					}
				}
			})
		}
	}
}

// sentWith returns all that a caller gets of a refusal.
func sentWith(t *testing.T, err error, got answered) string {
	t.Helper()
	var sent strings.Builder
	sent.WriteString(err.Error())
	for name, values := range got.header {
		sent.WriteString(name + strings.Join(values, " "))
	}
	if failed := new(connect.Error); errors.As(err, &failed) {
		for _, detail := range failed.Details() {
			sent.Write(detail.Bytes())
		}
	}
	return sent.String()
}

func TestARevokedTokenIsLoggedWithWhoRevokedItAndWhy(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			eventually(t, "the server is ready", r.ready)
			tr := r.transports()[protocol]
			req := tr.revokeReq("sess_known")
			req.Cause = "reported stolen"
			if _, err := tr.sessions(t, r.issuer.Session("user_otto")).RevokeSession(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			for range 2 { // from the store, and from memory
				var got answered
				tr := tr
				tr.options = append(tr.options[:len(tr.options):len(tr.options)], connect.WithInterceptors(&got))
				_, err := tr.identity(t, session()(r)).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
				if reason, _ := reasonOf(err); reason != auth.TokenRevoked {
					t.Fatalf("%v; want TOKEN_REVOKED", err)
				}
				id := "request_id=" + got.header.Get("X-Request-Id")
				for _, line := range [][]string{
					{"msg=call", "reason=TOKEN_REVOKED", "by its session", "sess_known", "every token", "subject=user_known", "session=sess_known", "kid=", "token_id=jti_known"},
					{`msg="the token was revoked"`, "target=session", "target_id=sess_known", "target_issuer=" + r.issuer.URL(), "revocation=", "revoked_at=20", "origin=caller", "by_subject=user_otto", "by_issuer=" + r.issuer.URL(), "by_session=", `why="reported stolen"`},
				} {
					eventually(t, strings.Join(line, " "), func() bool { return contains(r.log, append(line, id)...) })
				}
				if sent := sentWith(t, err, got); strings.Contains(sent, "otto") || strings.Contains(sent, "stolen") || strings.Contains(sent, "sess_known") {
					t.Errorf("the caller gets %s", sent)
				}
			}
		})
	}
}
