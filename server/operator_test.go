package server

import (
	"reflect"
	"testing"

	"connectrpc.com/connect"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

func TestWhoIsAnOperator(t *testing.T) {
	t.Parallel()
	const one, two = "https://one.example.com", "https://two.example.com"
	both := operatorsOf(settings.Config{
		Issuers:            []settings.Issuer{{URL: one}, {URL: two}},
		OperatorSubjects:   []string{one + "#user_1"},
		OperatorPermission: "org:tokens:revoke",
	})
	nobody := operatorsOf(settings.Config{Issuers: []settings.Issuer{{URL: one}}})
	own := func(id *auth.Identity) store.View { return store.View{{Issuer: id.Issuer, Subject: id.Subject}} }
	everything := func(*auth.Identity) store.View { return store.Everything() }
	named := operatorsOf(settings.Config{Issuers: []settings.Issuer{{URL: one}}, OperatorSubjects: []string{"user_1", "mch_1"}})
	support := &auth.Actor{Subject: "user_support"}
	permitted := []string{"org:tokens:revoke"}
	for name, test := range map[string]struct {
		operators operators
		id        auth.Identity
		want      func(*auth.Identity) store.View
	}{
		"a subject that is named":    {both, auth.Identity{Issuer: one, Subject: "user_1"}, everything},
		"the same at another issuer": {both, auth.Identity{Issuer: two, Subject: "user_1"}, own},
		"another subject":            {both, auth.Identity{Issuer: one, Subject: "user_10"}, own},
		"the bearer of the permission": {
			both, auth.Identity{Issuer: two, Subject: "user_2", Permissions: permitted}, everything,
		},
		"a machine that is named":                   {named, auth.Identity{Issuer: one, Subject: "mch_1", Kind: auth.KindMachine}, everything},
		"a token that a subject made of a template": {named, auth.Identity{Issuer: one, Subject: "user_1", Kind: auth.KindTemplate}, everything},
		"somebody who impersonates a subject":       {both, auth.Identity{Issuer: one, Subject: "user_1", Actor: support}, own},
		"an operator who impersonates an operator":  {both, auth.Identity{Issuer: one, Subject: "user_1", Actor: &auth.Actor{Subject: "user_1"}}, own},
		"somebody who impersonates the bearer":      {both, auth.Identity{Issuer: two, Subject: "user_2", Permissions: permitted, Actor: support}, own},
		"an application of a subject":               {both, auth.Identity{Issuer: one, Subject: "user_1", Kind: auth.KindOAuth, Scopes: []string{"profile"}}, own},
		"an application of the bearer":              {both, auth.Identity{Issuer: two, Subject: "user_2", Kind: auth.KindOAuth, Permissions: permitted}, own},
		"an application with the scope": {
			both, auth.Identity{Issuer: one, Subject: "user_1", Kind: auth.KindOAuth, Scopes: permitted}, everything,
		},
		"an application with the scope, of the bearer": {
			both, auth.Identity{Issuer: two, Subject: "user_2", Kind: auth.KindOAuth, Scopes: permitted, Permissions: permitted}, everything,
		},
		"an application with the scope, of somebody else": {both, auth.Identity{Issuer: two, Subject: "user_2", Kind: auth.KindOAuth, Scopes: permitted}, own},
		"an application with the scope, of somebody who is impersonated": {
			both, auth.Identity{Issuer: one, Subject: "user_1", Kind: auth.KindOAuth, Scopes: permitted, Actor: support}, own,
		},
		"an application, where there is no permission": {named, auth.Identity{Issuer: one, Subject: "user_1", Kind: auth.KindOAuth, Scopes: []string{""}}, own},
		"an administrator who is impersonated": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1", Role: "org:admin"}, Actor: support}, own,
		},
		"an application of an administrator": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1", Role: "org:admin"}, Kind: auth.KindOAuth}, own,
		},
		"the bearer of a longer permission": {both, auth.Identity{Issuer: one, Subject: "user_2", Permissions: []string{"org:tokens:revoke:own"}}, own},
		"nobody, where none is named":       {nobody, auth.Identity{Issuer: one, Subject: "user_1", Permissions: []string{""}}, own},
		"an administrator of an organization": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1", Role: "org:admin"}},
			func(id *auth.Identity) store.View {
				return append(own(id), store.Filter{Issuer: one, Organization: &id.Organization.ID})
			},
		},
		"a member of an organization": {nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1", Role: "org:member"}}, own},
		"an administrator of no organization in particular": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{Role: "org:admin"}, Roles: []string{"org:admin"}}, own,
		},
		"a role by that name that is none in the organization": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1"}, Roles: []string{"admin"}}, own,
		},
	} {
		if got, want := test.operators.view(&test.id), test.want(&test.id); !reflect.DeepEqual(got, want) {
			t.Errorf("%s sees %+v; want %+v", name, got, want)
		}
	}
}

func TestAnOperatorActsInPerson(t *testing.T) {
	t.Parallel()
	const permission = "tokens:revoke"
	r := start(t, withOperator, func(c *settings.Config) {
		c.OperatorPermission = permission
		c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindOAuth}
	})
	acted := authtest.With("act", map[string]any{"sub": "user_support", "iss": r.issuer.URL()})
	permitted := authtest.InOrganization("org_acme", "acme", "admin", permission)
	calls := func(tr endpoint, token string) map[string]error {
		revocations, sessions := tr.revocations(t, token), tr.sessions(t, token)
		_, list := revocations.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
		_, revoke := revocations.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession("sess_1")}})
		_, imports := send(t, revocations, []*revocationv1.NewRevocation{r.ofSession("sess_2")})
		_, subject := sessions.RevokeSubject(t.Context(), r.subjectReq("user_nobody"))
		return map[string]error{"ListRevocations": list, "RevokeTokens": revoke, "ImportRevocations": imports, "RevokeSubject": subject}
	}
	for who, test := range map[string]struct {
		token    string
		operator bool
	}{
		"an operator":                            {r.issuer.Session("user_otto"), true},
		"an actor for one":                       {r.issuer.Session("user_otto", acted), false},
		"the bearer of the permission":           {r.issuer.Session("user_pam", permitted), true},
		"an actor for that":                      {r.issuer.Session("user_pam", permitted, acted), false},
		"an application":                         {r.issuer.OAuth("user_otto"), false},
		"an application that was granted it":     {r.issuer.OAuth("user_otto", authtest.With("scope", "profile "+permission)), true},
		"such a one of somebody else":            {r.issuer.OAuth("user_ada", authtest.With("scope", "profile "+permission)), false},
		"such a one of whom somebody is the act": {r.issuer.OAuth("user_otto", authtest.With("scope", permission), acted), false},
	} {
		for protocol, tr := range r.transports() {
			for method, err := range calls(tr, test.token) {
				if reason, _ := connectauth.ReasonOf(err); test.operator != (err == nil) || !test.operator && reason != auth.PermissionRequired {
					t.Errorf("%s of %s over %s: %v; want it admitted: %v", method, who, protocol, err, test.operator)
				}
			}
		}
	}
}

// An actor for an administrator would otherwise see and end the sessions
// of people whom nobody impersonates.
func TestAnAdministratorActsInPerson(t *testing.T) {
	t.Parallel()
	r := start(t)
	cast := r.cast()
	r.seen(t, cast)
	impersonated := r.issuer.Session("user_ada", authtest.With("sid", "ada-1"), authtest.InOrganization("org_acme", "acme", "admin"),
		authtest.With("act", map[string]any{"sub": "user_support", "iss": r.issuer.URL()}))
	for protocol, tr := range r.transports() {
		client := tr.sessions(t, impersonated)
		res, err := client.ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
		if got := names(res.GetSessions()); err != nil || got != "ada-1 ada-2" {
			t.Errorf("%s: %s, error %v; want ada-1 ada-2", protocol, got, err)
		}
		_, err = client.RevokeSession(t.Context(), r.revokeReq("ben"))
		if connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v; want not found", protocol, err)
		}
	}
	r.wantAdmitted(t, "the member's token", cast["ben"])
}

// A support session, or an application with the smallest of scopes, would
// otherwise sign its user out everywhere.
func TestAnActorForAUserEndsNoOtherSession(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindOAuth} })
	cast := r.cast()
	r.seen(t, cast)
	for who, token := range map[string]string{
		"an actor for the user": r.issuer.Session("user_ada", authtest.With("sid", "support-1"), authtest.With("act", map[string]any{"sub": "user_support", "iss": r.issuer.URL()})),
		"an application":        r.issuer.OAuth("user_ada"),
	} {
		for protocol, tr := range r.transports() {
			client := tr.sessions(t, token)
			_, session := client.RevokeSession(t.Context(), r.revokeReq("ada-1"))
			_, subject := client.RevokeSubject(t.Context(), subjectCurrent())
			for method, err := range map[string]error{"RevokeSession": session, "RevokeSubject": subject} {
				if reason, _ := connectauth.ReasonOf(err); reason != auth.PermissionRequired {
					t.Errorf("%s of %s over %s: %v; want %v", method, who, protocol, err, auth.PermissionRequired)
				}
			}
		}
	}
	r.wantAdmitted(t, "the user's token", cast["ada-1"])
	support := r.transports()["gRPC"].sessions(t, r.issuer.Session("user_ada", authtest.With("sid", "support-1"), authtest.With("act", map[string]any{"sub": "user_support", "iss": r.issuer.URL()})))
	if _, err := support.RevokeSession(t.Context(), revokeCurrent()); err != nil {
		t.Errorf("an actor for the user cannot end that: %v", err)
	}
}
