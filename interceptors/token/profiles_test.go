package token_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// Each profile reads a token as its provider issues it. TIMES stands for iat and
// exp of now.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		profile  token.Profile
		edit     func(*token.Issuer)
		header   string
		payload  string
		want     auth.Identity
		wantKind auth.Kind
	}{
		{
			name: "a Clerk session of version 2", profile: token.Clerk(), header: `"typ":"JWT","cat":"cl_B7d4PD111AAA"`,
			payload: `"azp":"https://app.example.com","fea":"o:dashboard,o:teams","fva":[3,-1],"jti":"0a1b","o":{"fpm":"3,2","id":"org_1","per":"manage,read","rol":"admin","slg":"acme"},"pla":"o:pro","sid":"sess_1","sub":"user_1","v":2,"act":{"iss":"https://dashboard.clerk.com","sid":"sess_9","sub":"user_9","type":"agent"}`,
			want: auth.Identity{
				Subject: "user_1", SessionID: "sess_1", TokenID: "0a1b", AuthorizedParty: "https://app.example.com",
				Organization: auth.Organization{ID: "org_1", Slug: "acme", Role: "org:admin"}, Roles: []string{"org:admin"},
				Permissions: []string{"org:dashboard:manage", "org:dashboard:read", "org:teams:read"},
				Features:    []string{"o:dashboard", "o:teams"}, Plans: []string{"o:pro"},
				FactorAges: &auth.FactorAges{First: 3 * time.Minute, Second: -1},
				Actor:      &auth.Actor{Issuer: "https://dashboard.clerk.com", Subject: "user_9", SessionID: "sess_9", Type: "agent"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a Clerk session of version 1", profile: token.Clerk(), header: `"typ":"JWT"`,
			payload: `"sid":"sess_1","sub":"user_1","org_id":"org_1","org_slug":"acme","org_role":"org:admin","org_permissions":["org:invoices:read"]`,
			want: auth.Identity{
				Subject: "user_1", SessionID: "sess_1", Organization: auth.Organization{ID: "org_1", Slug: "acme", Role: "org:admin"},
				Roles: []string{"org:admin"}, Permissions: []string{"org:invoices:read"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a Clerk session without an organization", profile: token.Clerk(), header: `"typ":"JWT"`,
			payload: `"sid":"sess_1","sub":"user_1","v":2,"fea":"u:gold"`,
			want:    auth.Identity{Subject: "user_1", SessionID: "sess_1", Features: []string{"u:gold"}}, wantKind: auth.KindSession,
		},
		{
			name: "a Clerk OAuth access token", profile: token.Clerk(), header: `"typ":"at+jwt"`,
			payload: `"sub":"user_1","client_id":"client_1","jti":"oat_1","scope":"profile email","aud":"api"`,
			want: auth.Identity{
				Subject: "user_1", ClientID: "client_1", TokenID: "oat_1", Scopes: []string{"profile", "email"}, Audience: []string{"api"},
			},
			wantKind: auth.KindOAuth,
		},
		{
			name: "a Clerk machine token", profile: token.Clerk(), header: `"typ":"JWT","cat":"cl_B7d4PD333AAA"`,
			payload:  `"sub":"mch_1","jti":"mt_1","scopes":"mch_2 mch_3"`,
			want:     auth.Identity{Subject: "mch_1", TokenID: "mt_1", Scopes: []string{"mch_2", "mch_3"}},
			wantKind: auth.KindMachine,
		},
		{
			name: "a Clerk machine token whose scopes are its audience", profile: token.Clerk(), header: `"typ":"JWT"`,
			payload:  `"sub":"mch_1","jti":"mt_1","aud":["mch_2"]`,
			want:     auth.Identity{Subject: "mch_1", TokenID: "mt_1", Audience: []string{"mch_2"}, Scopes: []string{"mch_2"}},
			wantKind: auth.KindMachine,
		},
		{
			name: "an access token of RFC 9068", profile: token.OIDC(), header: `"typ":"at+jwt"`,
			payload: `"sub":"5ba552d67","aud":"https://rs.example.com/","client_id":"s6BhdRkqt3","scope":"openid profile","roles":["editor"]`,
			want: auth.Identity{
				Subject: "5ba552d67", ClientID: "s6BhdRkqt3", AuthorizedParty: "s6BhdRkqt3", Audience: []string{"https://rs.example.com/"},
				Scopes: []string{"openid", "profile"}, Roles: []string{"editor"},
			},
			wantKind: auth.KindOAuth,
		},
		{
			name: "a client's own access token of RFC 9068", profile: token.OIDC(), header: `"typ":"at+jwt"`,
			payload:  `"sub":"s6BhdRkqt3","client_id":"s6BhdRkqt3"`,
			want:     auth.Identity{Subject: "s6BhdRkqt3", ClientID: "s6BhdRkqt3", AuthorizedParty: "s6BhdRkqt3"},
			wantKind: auth.KindMachine,
		},
		{
			name: "an Auth0 user", profile: token.Auth0(), header: `"typ":"JWT"`,
			payload: `"sub":"auth0|123","aud":["https://api.example.com","https://t.auth0.com/userinfo"],"azp":"my_client","scope":"openid read:messages","org_id":"org_9","permissions":["read:messages"]`,
			want: auth.Identity{
				Subject: "auth0|123", ClientID: "my_client", AuthorizedParty: "my_client",
				Audience:     []string{"https://api.example.com", "https://t.auth0.com/userinfo"},
				Organization: auth.Organization{ID: "org_9"}, Scopes: []string{"openid", "read:messages"}, Permissions: []string{"read:messages"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "an Auth0 machine", profile: token.Auth0(), header: `"typ":"JWT"`,
			payload: `"sub":"my_client@clients","aud":"https://api.example.com","azp":"my_client","gty":"client-credentials","scope":"read:messages"`,
			want: auth.Identity{
				Subject: "my_client@clients", ClientID: "my_client", AuthorizedParty: "my_client",
				Audience: []string{"https://api.example.com"}, Scopes: []string{"read:messages"},
			},
			wantKind: auth.KindMachine,
		},
		{
			name: "a Keycloak user, with the roles of this client alone", profile: token.Keycloak(), header: `"typ":"JWT"`,
			edit:    func(i *token.Issuer) { i.Audiences = []string{"orders"} },
			payload: `"sub":"f:1:ada","sid":"kc-1","aud":["orders","account"],"azp":"web","typ":"Bearer","scope":"openid email","realm_access":{"roles":["offline_access","staff"]},"resource_access":{"orders":{"roles":["clerk"]},"account":{"roles":["admin"]}}`,
			want: auth.Identity{
				Subject: "f:1:ada", SessionID: "kc-1", ClientID: "web", AuthorizedParty: "web", Audience: []string{"orders", "account"},
				Scopes: []string{"openid", "email"}, Roles: []string{"offline_access", "staff", "clerk"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a Supabase user", profile: token.Supabase(), header: `"typ":"JWT"`,
			payload: `"sub":"4e5c","aud":"authenticated","role":"authenticated","session_id":"sb-1","app_metadata":{"provider":"email","org_id":"org_7","permissions":["invoices:read"]},"is_anonymous":false`,
			want: auth.Identity{
				Subject: "4e5c", SessionID: "sb-1", Audience: []string{"authenticated"}, Roles: []string{"authenticated"},
				Organization: auth.Organization{ID: "org_7"}, Permissions: []string{"invoices:read"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a Cognito user", profile: token.Cognito(), header: `"typ":"JWT"`,
			edit:    func(i *token.Issuer) { i.AuthorizedParties = []string{"1example23"} },
			payload: `"sub":"aaaa-bbbb","cognito:groups":["admins"],"client_id":"1example23","origin_jti":"oj-1","token_use":"access","scope":"aws.cognito.signin.user.admin","jti":"j-1","username":"ada"`,
			want: auth.Identity{
				Subject: "aaaa-bbbb", SessionID: "oj-1", TokenID: "j-1", ClientID: "1example23", AuthorizedParty: "1example23",
				Roles: []string{"admins"}, Scopes: []string{"aws.cognito.signin.user.admin"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "an Entra user", profile: token.Entra(), header: `"typ":"JWT"`,
			payload: `"sub":"pairwise","oid":"oid-1","tid":"tenant-1","aud":"api://orders","azp":"client-1","scp":"Orders.Read Orders.Write","roles":["Approver"],"sid":"en-1","ver":"2.0"`,
			want: auth.Identity{
				Subject: "oid-1", SessionID: "en-1", ClientID: "client-1", AuthorizedParty: "client-1", Audience: []string{"api://orders"},
				Organization: auth.Organization{ID: "tenant-1"}, Scopes: []string{"Orders.Read", "Orders.Write"}, Roles: []string{"Approver"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "an Entra application", profile: token.Entra(), header: `"typ":"JWT"`,
			payload:  `"sub":"oid-2","oid":"oid-2","tid":"tenant-1","aud":"api://orders","azp":"client-1","idtyp":"app"`,
			want:     auth.Identity{Subject: "oid-2", ClientID: "client-1", AuthorizedParty: "client-1", Audience: []string{"api://orders"}, Organization: auth.Organization{ID: "tenant-1"}},
			wantKind: auth.KindMachine,
		},
		{
			name: "a Google user", profile: token.Google(), header: `"typ":"JWT"`,
			payload: `"sub":"1101","aud":"c.apps.googleusercontent.com","azp":"c.apps.googleusercontent.com","hd":"example.com","email":"ada@example.com"`,
			want: auth.Identity{
				Subject: "1101", ClientID: "c.apps.googleusercontent.com", AuthorizedParty: "c.apps.googleusercontent.com",
				Audience: []string{"c.apps.googleusercontent.com"}, Organization: auth.Organization{ID: "example.com"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a WorkOS user", profile: token.WorkOS(), header: `"typ":"JWT"`,
			payload: `"sub":"user_01","sid":"session_01","org_id":"org_01","role":"member","roles":["member"],"permissions":["posts:read"],"jti":"01"`,
			want: auth.Identity{
				Subject: "user_01", SessionID: "session_01", TokenID: "01", Organization: auth.Organization{ID: "org_01", Role: "member"},
				Roles: []string{"member", "member"}, Permissions: []string{"posts:read"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a ZITADEL user", profile: token.ZITADEL(), header: `"typ":"JWT"`,
			payload: `"sub":"170","aud":["p1","p2"],"client_id":"170@p","urn:zitadel:iam:user:resourceowner:id":"168","urn:zitadel:iam:org:project:roles":{"editor":{"168":"acme.zitadel.cloud"}}`,
			want: auth.Identity{
				Subject: "170", ClientID: "170@p", AuthorizedParty: "170@p", Audience: []string{"p1", "p2"},
				Organization: auth.Organization{ID: "168"}, Roles: []string{"editor"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a Hydra user", profile: token.Hydra(), header: `"typ":"JWT"`,
			payload: `"sub":"ada","aud":["api"],"client_id":"web","scp":["openid","offline"],"ext":{"roles":["editor"]},"jti":"h1"`,
			want: auth.Identity{
				Subject: "ada", TokenID: "h1", ClientID: "web", AuthorizedParty: "web", Audience: []string{"api"},
				Scopes: []string{"openid", "offline"}, Roles: []string{"editor"},
			},
			wantKind: auth.KindSession,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer()
			v := newVerifier(t, issuer, func(i *token.Issuer) {
				i.Profile = tt.profile
				i.Kinds = []auth.Kind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine}
				if tt.edit != nil {
					tt.edit(i)
				}
			})
			payload := fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,%s}`, issuerURL, now.Unix(), now.Unix()+300, tt.payload)
			raw := issuer.Sign(fmt.Appendf(nil, `{"alg":"RS256","kid":%q,%s}`, issuer.Key().ID(), tt.header), []byte(payload))
			got := *expect(t, v, raw, pass)

			want := tt.want
			want.Issuer, want.Kind, want.RawClaims = issuerURL, tt.wantKind, payload
			want.NoStepUp = tt.profile.Name == "clerk"
			want.IssuedAt, want.ExpiresAt = now, now.Add(5*time.Minute)
			if !got.IssuedAt.Equal(want.IssuedAt) || !got.ExpiresAt.Equal(want.ExpiresAt) {
				t.Errorf("issued %v, expires %v", got.IssuedAt, got.ExpiresAt)
			}
			if got.Leeway != token.DefaultSkew {
				t.Errorf("accepted for %v longer", got.Leeway)
			}
			got.IssuedAt, got.ExpiresAt, got.Leeway, got.Key = want.IssuedAt, want.ExpiresAt, want.Leeway, nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %s\nwant %s", asJSON(got), asJSON(want))
			}
		})
	}
}

func asJSON(v any) string {
	b, _ := json.MarshalIndent(v, "", " ")
	return string(b)
}

// A profile accepts the algorithms that its provider signs with, and no other.
func TestProfilesNameTheirAlgorithms(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	tokens := map[string]string{}
	for _, algorithm := range token.OIDC().Algorithms {
		tokens[algorithm] = issuer.OIDC("user_ada", authtest.With("token_use", "access"), authtest.Algorithm(algorithm))
	}
	for _, profile := range token.Profiles() {
		v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = profile })
		accepted := []string{"RS256"}
		switch profile.Name {
		case "oidc":
			accepted = token.OIDC().Algorithms
		case "supabase":
			accepted = []string{"ES256", "RS256"}
		}
		for algorithm, raw := range tokens {
			want := auth.AlgorithmNotAllowed
			if slices.Contains(accepted, algorithm) {
				want = pass
			}
			expect(t, v, raw, want)
		}
	}
}

// What stands for the subject is held to the same as the subject.
func TestEntraRefusesControlCharacters(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.Entra() })
	expect(t, v, issuer.OIDC("pairwise", authtest.With("oid", "oid-1")), pass)
	expect(t, v, issuer.OIDC("pairwise", authtest.With("oid", "oid\n1")), auth.ClaimInvalid)
}

func TestAMachineIsKnownHoweverItsNameIsWritten(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.OIDC() })
	payload := fmt.Sprintf(`{"iss":%q,"sub":"svc","client_id":"\u0073vc","exp":%d}`, issuerURL, now.Unix()+60)
	header := fmt.Appendf(nil, `{"alg":"RS256","kid":%q}`, issuer.Key().ID())
	expect(t, v, issuer.Sign(header, []byte(payload)), auth.TokenKindUnsupported)
}

// Without an organization there are neither roles nor permissions.
func TestClerkGrantsNothingWithoutAnOrganization(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	for name, raw := range map[string]string{
		"version 1": issuer.SessionV1("user_ada", authtest.With("org_role", "org:admin"), authtest.With("org_permissions", []string{"org:a:read"})),
		"version 2": issuer.Session("user_ada", authtest.With("fea", "o:a"), authtest.With("o", map[string]any{"rol": "admin", "per": "read", "fpm": "1"})),
	} {
		if id := expect(t, v, raw, pass); len(id.Roles) != 0 || len(id.Permissions) != 0 {
			t.Errorf("%s: roles %q, permissions %q", name, id.Roles, id.Permissions)
		}
	}
}

func TestCognitoRefusesIDTokens(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.Cognito() })
	expect(t, v, issuer.OIDC("aaaa-bbbb", authtest.With("token_use", "id")), auth.TokenKindUnsupported)
	expect(t, v, issuer.OIDC("aaaa-bbbb"), auth.TokenKindUnsupported)
	expect(t, v, issuer.OIDC("aaaa-bbbb", authtest.With("token_use", "access")), pass)
}

func TestUnknownTypesAreNoKind(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	for _, profile := range token.Profiles() {
		v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile, i.Algorithms = profile, []string{"RS256"} })
		for _, typ := range []string{"logout+jwt", "id+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "application/jose+json"} {
			raw := issuer.OIDC("user_ada", authtest.Header("typ", typ), authtest.With("token_use", "access"))
			expect(t, v, raw, auth.TokenKindUnsupported)
		}
	}
}

func TestProfileNamed(t *testing.T) {
	t.Parallel()
	for _, profile := range token.Profiles() {
		if got, err := token.ProfileNamed(profile.Name); err != nil || got.Name != profile.Name {
			t.Errorf("ProfileNamed(%q) = %q, %v", profile.Name, got.Name, err)
		}
	}
	if _, err := token.ProfileNamed("okta"); err == nil || !strings.Contains(err.Error(), "clerk, oidc, auth0") {
		t.Errorf("an unknown profile: %v", err)
	}
}
