package authtest_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
)

const procedure = "/acme.v1.Library/Get"

// admit asks the guard about a call with this token.
func admit(t *testing.T, guard *auth.Guard, raw string) (*auth.Identity, error) {
	t.Helper()
	ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: procedure, Header: http.Header{"Authorization": {"Bearer " + raw}}})
	if err != nil {
		return nil, err
	}
	id, _ := auth.FromContext(ctx)
	return id, nil
}

// There is a token of a user and of a machine for every profile whose provider has
// such, and a guard of the profile takes each for what it is, with the claims that its
// rules can ask for.
func TestAGuardAcceptsTokensOfEveryProfile(t *testing.T) {
	t.Parallel()
	const none = auth.TokenKind(0) // no such token
	untested := make(map[string]bool)
	for _, profile := range token.Profiles() {
		untested[profile.Name] = true
	}
	for _, want := range []struct {
		profile       token.Profile
		user          auth.TokenKind
		session       string   // of the user
		roles, scopes []string // of the user
		machine       string   // its subject, "job" where it is empty
	}{
		{profile: token.Clerk(), user: auth.KindSession, session: "sess_1", machine: "mch_job"},
		{profile: token.OIDC(), user: auth.KindOAuth, scopes: []string{"openid", "profile"}},
		{profile: token.Auth0(), user: auth.KindOAuth, scopes: []string{"openid", "profile", "email"}, machine: "job@clients"},
		{profile: token.Cognito(), user: auth.KindOAuth, session: "session_1", scopes: []string{"openid", "email"}},
		{profile: token.Dex(), user: auth.KindID},
		{profile: token.Entra(), user: auth.KindOAuth, scopes: []string{"access_as_user"}},
		{profile: token.GitHubActions(), user: none, machine: "repo:acme/app:ref:refs/heads/main"},
		{profile: token.GitLab(), user: auth.KindID, machine: "project_path:acme/app:ref_type:branch:ref:main"},
		{profile: token.Google(), user: auth.KindID},
		{profile: token.Hydra(), user: auth.KindOAuth, scopes: []string{"openid"}},
		{
			profile: token.Keycloak(), user: auth.KindOAuth, session: "session_1",
			roles: []string{"default-roles-acme", "offline_access", "uma_authorization"}, scopes: []string{"openid", "email", "profile"},
		},
		{profile: token.Kubernetes(), user: none, machine: "system:serviceaccount:prod:api"},
		{profile: token.Okta(), user: auth.KindOAuth, scopes: []string{"openid", "profile"}},
		{profile: token.SPIFFE(), user: none, machine: "spiffe://example.org/api"},
		{profile: token.Supabase(), user: auth.KindSession, session: "session_1", roles: []string{"authenticated"}},
		{profile: token.WorkOS(), user: auth.KindSession, session: "session_1", roles: []string{"member"}, machine: "client_job"},
		{profile: token.ZITADEL(), user: auth.KindOAuth},
	} {
		delete(untested, want.profile.Name)
		t.Run(want.profile.Name, func(t *testing.T) {
			t.Parallel()
			guard, issuer := authtest.GuardFor(t, token.Issuer{
				Profile: want.profile,
				Kinds:   []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine, auth.KindID},
			}, policy.Override(procedure, policy.Authenticated()))
			if want.user != none {
				id, err := admit(t, guard, issuer.UserOf(want.profile.Name, "user_ada"))
				switch {
				case err != nil:
					t.Errorf("a user was refused: %v", err)
				case id.Kind != want.user || id.SessionID != want.session || !slices.Equal(id.Roles, want.roles) || !slices.Equal(id.Scopes, want.scopes):
					t.Errorf("a user's token is of kind %v, session %q, roles %q, scopes %q; want %v, %q, %q, %q",
						id.Kind, id.SessionID, id.Roles, id.Scopes, want.user, want.session, want.roles, want.scopes)
				}
			}
			subject := want.machine
			if subject == "" {
				subject = "job"
			}
			id, err := admit(t, guard, issuer.MachineOf(want.profile.Name, subject))
			if err != nil || id.Kind != auth.KindMachine || id.SessionID != "" {
				t.Errorf("a machine's token: %+v, %v; want kind %v", id, err, auth.KindMachine)
			}
			if got := token.ProfileOf(issuer.URL()).Name; got != want.profile.Name && !slices.Contains([]string{"dex", "hydra", "kubernetes"}, want.profile.Name) {
				t.Errorf("the issuer %s looks like one of profile %s", issuer.URL(), got)
			}
		})
	}
	if len(untested) > 0 {
		t.Errorf("there are no tokens of these profiles: %v", untested)
	}
}

func TestTokensOfAnUnknownProfilePanic(t *testing.T) {
	t.Parallel()
	issuer := authtest.New("https://issuer.example.com")
	for name, mint := range map[string]func(){
		"a user of an unknown profile":    func() { issuer.UserOf("unknown", "user_ada") },
		"a machine of an unknown profile": func() { issuer.MachineOf("unknown", "job") },
		"a user of a cluster":             func() { issuer.UserOf("kubernetes", "user_ada") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mint()
		}()
	}
}
