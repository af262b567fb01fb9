package token_test

import (
	"crypto/sha256"
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

// Clerk's tokens have compact forms that those of other issuers lack.
func TestClerkProfile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		header   string
		payload  string
		want     auth.Identity
		wantKind auth.TokenKind
	}{
		{
			name: "a Clerk session of version 2", header: `"typ":"JWT","cat":"cl_B7d4PD111AAA"`,
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
			name: "a Clerk session of version 1", header: `"typ":"JWT"`,
			payload: `"sid":"sess_1","sub":"user_1","org_id":"org_1","org_slug":"acme","org_role":"org:admin","org_permissions":["org:invoices:read"]`,
			want: auth.Identity{
				Subject: "user_1", SessionID: "sess_1", Organization: auth.Organization{ID: "org_1", Slug: "acme", Role: "org:admin"},
				Roles: []string{"org:admin"}, Permissions: []string{"org:invoices:read"},
			},
			wantKind: auth.KindSession,
		},
		{
			name: "a Clerk session without an organization", header: `"typ":"JWT"`,
			payload: `"sid":"sess_1","sub":"user_1","v":2,"fea":"u:gold"`,
			want:    auth.Identity{Subject: "user_1", SessionID: "sess_1", Features: []string{"u:gold"}}, wantKind: auth.KindSession,
		},
		{
			name: "a Clerk OAuth access token", header: `"typ":"at+jwt"`,
			payload: `"sub":"user_1","client_id":"client_1","jti":"oat_1","scope":"profile email","aud":"api"`,
			want: auth.Identity{
				Subject: "user_1", ClientID: "client_1", TokenID: "oat_1", Scopes: []string{"profile", "email"}, Audience: []string{"api"},
			},
			wantKind: auth.KindOAuth,
		},
		{
			name: "a Clerk machine token", header: `"typ":"JWT","cat":"cl_B7d4PD333AAA"`,
			payload:  `"sub":"mch_1","jti":"mt_1","scopes":"mch_2 mch_3"`,
			want:     auth.Identity{Subject: "mch_1", TokenID: "mt_1", Scopes: []string{"mch_2", "mch_3"}},
			wantKind: auth.KindMachine,
		},
		{
			name: "a Clerk machine token whose scopes are its audience", header: `"typ":"JWT"`,
			payload:  `"sub":"mch_1","jti":"mt_1","aud":["mch_2"]`,
			want:     auth.Identity{Subject: "mch_1", TokenID: "mt_1", Audience: []string{"mch_2"}, Scopes: []string{"mch_2"}},
			wantKind: auth.KindMachine,
		},
		{
			name: "a Clerk machine token with claims that its owner chose, by version 1", header: `"typ":"JWT","cat":"cl_B7d4PD333AAA"`,
			payload: `"sub":"mch_1","jti":"mt_1","scopes":"mch_2","org_id":"org_acme","org_role":"org:admin","org_permissions":["org:all:manage"],` +
				`"pla":"o:pro","fva":[0,0]`,
			want:     auth.Identity{Subject: "mch_1", TokenID: "mt_1", Scopes: []string{"mch_2"}},
			wantKind: auth.KindMachine,
		},
		{
			name: "a Clerk machine token with claims that its owner chose, by version 2", header: `"typ":"JWT","cat":"cl_B7d4PD333AAA"`,
			payload:  `"sub":"mch_1","jti":"mt_1","scopes":"mch_2","v":2,"o":{"id":"org_acme","rol":"admin","per":"manage","fpm":"1"},"fea":"o:all"`,
			want:     auth.Identity{Subject: "mch_1", TokenID: "mt_1", Scopes: []string{"mch_2"}},
			wantKind: auth.KindMachine,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer()
			v := newVerifier(t, issuer, func(i *token.Issuer) {
				i.Kinds = everyKind
			})
			payload := fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,%s}`, issuerURL, now.Unix(), now.Unix()+300, tt.payload)
			raw := issuer.Sign(fmt.Appendf(nil, `{"alg":"RS256","kid":%q,%s}`, issuer.Key().ID(), tt.header), []byte(payload))
			got := *expect(t, v, raw, pass)

			want := tt.want
			want.Issuer, want.Kind, want.RawClaims = issuerURL, tt.wantKind, payload
			want.NoStepUp, want.KeyID, want.TokenHash = true, issuer.Key().ID(), fmt.Sprintf("%x", sha256.Sum256([]byte(raw)))[:16]
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
	keys := map[string]*authtest.Key{}
	for _, algorithm := range token.OIDC().Algorithms {
		keys[algorithm] = authtest.NewKey(algorithm)
	}
	ecdsa := []string{"RS256", "ES256", "ES384", "ES512"}
	for _, profile := range token.Profiles() {
		issuer, subject := urlOf(profile)
		for _, key := range keys {
			issuer.Publish(key)
		}
		v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile, i.Kinds = profile, everyKind })
		accepted := []string{"RS256"}
		switch profile.Name {
		case "oidc":
			accepted = token.OIDC().Algorithms
		case "spiffe":
			accepted = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
		case "dex", "kubernetes":
			accepted = ecdsa
		case "supabase":
			accepted = []string{"ES256", "RS256"}
		}
		for algorithm, key := range keys {
			want := auth.AlgorithmNotAllowed
			if slices.Contains(accepted, algorithm) {
				want = pass
			}
			expect(t, v, issuer.OIDC(subject, authtest.With("token_use", "access"), authtest.SignedBy(key)), want)
		}
	}
}

// urlOf returns an issuer that the profile fits, and a subject of it.
func urlOf(profile token.Profile) (issuer *authtest.Issuer, subject string) {
	url, subject := issuerURL, "system:serviceaccount:prod:api"
	if profile.Name == "spiffe" {
		url, subject = "spiffe://example.org", "spiffe://example.org/api"
	}
	return issuerAt(url, clock), subject
}

// A claim that replaces the subject is checked like the subject.
func TestEntraRefusesControlCharacters(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile = token.Entra() })
	expect(t, v, issuer.OIDC("pairwise", authtest.With("oid", "oid-1")), pass)
	expect(t, v, issuer.OIDC("pairwise", authtest.With("oid", "oid\n1")), auth.ClaimInvalid)
}

func TestAMachineIsRecognizedEvenIfItsNameHasEscapes(t *testing.T) {
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

// A token with unreadable permissions is accepted without them.
func TestClerkGrantsNothingFromUnreadableClaims(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	organization := func(member string) authtest.Edit {
		o := map[string]any{"id": "org_1", "rol": "admin", "per": "read", "fpm": "1"}
		o[member] = 7
		return authtest.With("o", o)
	}
	for name, raw := range map[string]string{
		"version 1":                    issuer.SessionV1("user_ada", authtest.With("org_id", "org_1"), authtest.With("org_role", "admin"), authtest.With("org_permissions", map[string]any{"org:a:read": true})),
		"the permissions of version 2": issuer.Session("user_ada", authtest.With("fea", "o:a"), organization("per")),
		"the masks of version 2":       issuer.Session("user_ada", authtest.With("fea", "o:a"), organization("fpm")),
	} {
		if id := expect(t, v, raw, pass); !slices.Equal(id.Roles, []string{"org:admin"}) || len(id.Permissions) != 0 {
			t.Errorf("%s: roles %q, permissions %q", name, id.Roles, id.Permissions)
		}
	}
	for name, raw := range map[string]string{
		"the role of version 1": issuer.SessionV1("user_ada", authtest.With("org_id", "org_1"), authtest.With("org_role", 7), authtest.With("org_permissions", []string{"org:a:read"})),
		"the role of version 2": issuer.Session("user_ada", authtest.With("fea", "o:a"), organization("rol")),
	} {
		if id := expect(t, v, raw, pass); len(id.Roles) != 0 || !slices.Equal(id.Permissions, []string{"org:a:read"}) {
			t.Errorf("%s: roles %q, permissions %q", name, id.Roles, id.Permissions)
		}
	}
	expect(t, v, issuer.Session("user_ada", authtest.With("fea", "o:a"), organization("id")), auth.ClaimInvalid)
}

// What the paths of a profile find is added to what Clerk's own claims grant, and its
// organization replaces theirs.
func TestClerkWithPathsOfItsOwn(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) {
		i.Profile.Roles = []token.ClaimPath{{"metadata", "role"}}
		i.Profile.Permissions = []token.ClaimPath{{"metadata", "permissions"}}
		i.Profile.OrganizationID = []token.ClaimPath{{"metadata", "tenant"}}
		i.Profile.OrganizationRole = []token.ClaimPath{{"metadata", "tenant_role"}}
	})
	v2 := authtest.With("o", map[string]any{"id": "org_1", "slg": "acme", "rol": "admin", "per": "read", "fpm": "1"})
	v1 := []authtest.Edit{authtest.With("org_id", "org_1"), authtest.With("org_slug", "acme"), authtest.With("org_role", "admin"), authtest.With("org_permissions", []string{"org:a:read"})}
	acme := auth.Organization{ID: "org_1", Slug: "acme", Role: "org:admin"}
	for name, tt := range map[string]struct {
		metadata           map[string]any
		organization       auth.Organization
		roles, permissions []string
	}{
		"none":                   {nil, acme, []string{"org:admin"}, []string{"org:a:read"}},
		"roles and permissions":  {map[string]any{"role": "staff", "permissions": []string{"b"}}, acme, []string{"org:admin", "staff"}, []string{"b", "org:a:read"}},
		"the same role":          {map[string]any{"role": "org:admin"}, acme, []string{"org:admin"}, []string{"org:a:read"}},
		"another role there":     {map[string]any{"tenant_role": "owner"}, auth.Organization{ID: "org_1", Slug: "acme", Role: "owner"}, []string{"owner"}, []string{"org:a:read"}},
		"another organization":   {map[string]any{"tenant": "org_2", "role": "staff"}, auth.Organization{ID: "org_2"}, []string{"staff"}, nil},
		"the organization again": {map[string]any{"tenant": "org_1", "tenant_role": "owner"}, auth.Organization{ID: "org_1", Role: "owner"}, []string{"owner"}, []string{"org:a:read"}},
	} {
		metadata := authtest.With("metadata", tt.metadata)
		for version, raw := range map[string]string{
			"version 1": issuer.SessionV1("user_ada", append(v1, metadata)...),
			"version 2": issuer.Session("user_ada", authtest.With("fea", "o:a"), v2, metadata),
		} {
			id := expect(t, v, raw, pass)
			if id.Organization != tt.organization || !slices.Equal(id.Roles, tt.roles) || !slices.Equal(id.Permissions, tt.permissions) {
				t.Errorf("%s, %s: organization %+v, roles %q, permissions %q", name, version, id.Organization, id.Roles, id.Permissions)
			}
		}
	}
}

// A token of an OAuth client is recognized whatever its type, and no sign of a machine
// makes it a session.
func TestClerkKindsWithoutACategory(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.Kinds = everyKind })
	for name, tt := range map[string]struct {
		edits []authtest.Edit
		kind  auth.TokenKind
	}{
		"a session":                         {[]authtest.Edit{authtest.With("sid", "s")}, auth.KindSession},
		"a session with a claim of its own": {[]authtest.Edit{authtest.With("sid", "s"), authtest.With("client_id", "c")}, auth.KindSession},
		"a client's token by client_id":     {[]authtest.Edit{authtest.With("client_id", "c")}, auth.KindOAuth},
		"a client's token by jti":           {[]authtest.Edit{authtest.With("sid", "s"), authtest.With("jti", "oat_1")}, auth.KindOAuth},
		"a template with a claim of its own": {
			[]authtest.Edit{authtest.Header("cat", "cl_B7d4PD222AAA"), authtest.With("client_id", "c")}, auth.KindTemplate,
		},
	} {
		if id := expect(t, v, issuer.OIDC("user_ada", tt.edits...), pass); id.Kind != tt.kind {
			t.Errorf("%s is a %s", name, id.Kind)
		}
	}
	expect(t, v, issuer.OIDC("user_ada", authtest.With("jti", "mt_1")), auth.TokenKindUnsupported)
	if id := expect(t, v, issuer.OIDC("mch_1", authtest.With("jti", "mt_1"), authtest.With("client_id", "c")), pass); id.Kind != auth.KindMachine {
		t.Errorf("a machine is a %s", id.Kind)
	}
}

func TestUnknownTypesHaveNoKind(t *testing.T) {
	t.Parallel()
	for _, profile := range token.Profiles() {
		issuer, subject := urlOf(profile)
		v := newVerifier(t, issuer, func(i *token.Issuer) { i.Profile, i.Kinds = profile, everyKind })
		expect(t, v, issuer.OIDC(subject, authtest.With("token_use", "access")), pass)
		for _, typ := range []string{"logout+jwt", "id+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "application/jose+json"} {
			if profile.Name == "spiffe" && typ == "JOSE" {
				continue // JWT-SVID, section 2.3
			}
			raw := issuer.OIDC(subject, authtest.Header("typ", typ), authtest.With("token_use", "access"))
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
	if _, err := token.ProfileNamed("unknown"); err == nil || !strings.Contains(err.Error(), "clerk, oidc, auth0") {
		t.Errorf("an unknown profile: %v", err)
	}
}
