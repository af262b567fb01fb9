package server

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// verifies asserts what becomes of a token with an issuer's settings.
func verifies(t *testing.T, issuer settings.Issuer, token string, want auth.Reason) *auth.Identity {
	t.Helper()
	id, err := VerifyToken(t.Context(), settings.Config{Issuers: []settings.Issuer{issuer}}, token)
	var refusal *auth.Error
	switch {
	case want == 0 && err != nil:
		t.Fatalf("refused: %v: %v", err, errors.Unwrap(err))
	case want != 0 && !errors.As(err, &refusal):
		t.Fatalf("%v, %v; want %v", id, err, want)
	case want != 0 && refusal.Reason != want:
		t.Fatalf("%v: %v; want %v", refusal, refusal.Unwrap(), want)
	}
	return id
}

func TestClaimsAreReadWhereTheSettingsSay(t *testing.T) {
	t.Parallel()
	const url = "https://accounts.example.com"
	issuer := authtest.New(url)
	token := issuer.OIDC("user_ada",
		authtest.With("realm_access", map[string]any{"roles": []string{"admin", "auditor"}}),
		authtest.With("resource_access", map[string]any{"invoices": map[string]any{"roles": []string{"editor"}}}),
		authtest.With("https://example.com/roles", []string{"owner"}),
		authtest.With("a/b~c", map[string]any{"d": []string{"escaped"}}),
		authtest.With("teams", []any{map[string]any{"name": "blue", "id": 1}}),
		authtest.With("can", []string{"invoices:read"}),
		authtest.With("tenant", map[string]any{"id": "org_acme", "role": "org:member"}),
		authtest.With("granted", "email profile"),
		authtest.With("login", "sess_1"),
		authtest.With("aud", "invoices"),
		authtest.ExpiresIn(time.Hour),
	)
	base := settings.Issuer{URL: url, Profile: "oidc", JWTKey: string(issuer.PublicPEM()), Audiences: []string{"invoices"}}
	tests := map[string]struct {
		claims settings.Claims
		want   func(*auth.Identity) any
		value  any
	}{
		"a claim within another":     {settings.Claims{Roles: []string{"/realm_access/roles"}}, roles, []string{"admin", "auditor"}},
		"a claim of each audience":   {settings.Claims{Roles: []string{"/resource_access/{audience}/roles"}}, roles, []string{"editor"}},
		"a name with dots":           {settings.Claims{Roles: []string{"https://example.com/roles"}}, roles, []string{"owner"}},
		"a name with escapes":        {settings.Claims{Roles: []string{"/a~1b~0c/d"}}, roles, []string{"escaped"}},
		"roles of two claims":        {settings.Claims{Roles: []string{"/realm_access/roles", "https://example.com/roles"}}, roles, []string{"admin", "auditor", "owner"}},
		"groups, which are objects":  {settings.Claims{Groups: []string{"teams"}, NameMember: "name"}, roles, []string{"blue"}},
		"groups, whose name is none": {settings.Claims{Groups: []string{"teams"}}, roles, []string(nil)},
		"permissions":                {settings.Claims{Permissions: []string{"can"}}, func(id *auth.Identity) any { return id.Permissions }, []string{"invoices:read"}},
		"scopes":                     {settings.Claims{Scopes: []string{"granted"}}, func(id *auth.Identity) any { return id.Scopes }, []string{"email", "profile"}},
		"an organization, and the role in it": {
			settings.Claims{Organization: []string{"/tenant/id"}, OrganizationRole: []string{"/tenant/role"}},
			func(id *auth.Identity) any { return id.Organization.ID + " " + id.Organization.Role }, "org_acme org:member",
		},
		"a session":              {settings.Claims{Session: []string{"login"}}, func(id *auth.Identity) any { return id.SessionID }, "sess_1"},
		"the second of two":      {settings.Claims{Session: []string{"absent", "login"}}, func(id *auth.Identity) any { return id.SessionID }, "sess_1"},
		"a claim that is absent": {settings.Claims{Roles: []string{"/absent/roles"}}, roles, []string(nil)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := base
			issuer.Claims = test.claims
			if got := test.want(verifies(t, issuer, token, 0)); !reflect.DeepEqual(got, test.value) {
				t.Errorf("%q; want %q", got, test.value)
			}
		})
	}
}

func roles(id *auth.Identity) any { return id.Roles }

func TestIssuerSettingsDecideWhichTokensAreAccepted(t *testing.T) {
	t.Parallel()
	const url = "https://accounts.example.com"
	groups := make([]string, 200)
	for i := range groups {
		groups[i] = fmt.Sprintf("%08d-0000-0000-0000-%012d", i, i)
	}
	tenant := "11111111-2222-3333-4444-555555555555"
	tests := map[string]struct {
		iss   string
		edit  func(*settings.Issuer)
		mint  func(*authtest.Issuer, ...authtest.Edit) string
		edits []authtest.Edit
		want  auth.Reason
	}{
		"a token of 200 groups is too large":       {iss: url, edits: []authtest.Edit{authtest.With("groups", groups)}, want: auth.TokenTooLarge},
		"a token of 200 groups, where that is set": {iss: url, edit: func(i *settings.Issuer) { i.MaxTokenBytes = 16 << 10 }, edits: []authtest.Edit{authtest.With("groups", groups)}},
		"a token over what is set":                 {iss: url, edit: func(i *settings.Issuer) { i.MaxTokenBytes = 100 }, want: auth.TokenTooLarge},
		"a bound token":                            {iss: url, edits: bound, want: auth.TokenBindingUnchecked},
		"a bound token, where that is set":         {iss: url, edit: func(i *settings.Issuer) { i.AllowUnboundConfirmation = true }, edits: bound},
		"an iss that is no URL":                    {iss: "accounts.example.com"},
		"another spelling":                         {iss: "accounts.example.com", edit: func(i *settings.Issuer) { i.URL, i.Aliases = url, []string{"accounts.example.com"} }},
		"another spelling that is not set":         {iss: "accounts.example.com", edit: func(i *settings.Issuer) { i.URL = url }, want: auth.IssuerUntrusted},
		"a tenant": {iss: "https://login.example.com/" + tenant + "/v2.0", edit: func(i *settings.Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"another", tenant}
		}},
		"a tenant that is not set": {iss: "https://login.example.com/other/v2.0", edit: func(i *settings.Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"another", tenant}
		}, want: auth.IssuerUntrusted},
		"an ID token":                    {iss: url, edits: []authtest.Edit{authtest.With("nonce", "n")}, want: auth.TokenKindUnsupported},
		"an ID token, where that is set": {iss: url, edit: func(i *settings.Issuer) { i.Kinds = []auth.TokenKind{auth.KindID} }, edits: []authtest.Edit{authtest.With("nonce", "n")}},
		"a token for any client is an application's": {iss: url, edit: func(i *settings.Issuer) { i.Kinds = []auth.TokenKind{auth.KindSession} },
			edits: app, want: auth.TokenKindUnsupported},
		"a token for a first-party client is a session": {iss: url, edit: func(i *settings.Issuer) {
			i.Kinds, i.FirstPartyClients = []auth.TokenKind{auth.KindSession}, []string{"web", "spa"}
		}, edits: app},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := authtest.New(test.iss)
			config := settings.Issuer{URL: test.iss, Profile: "oidc", JWTKey: string(issuer.PublicPEM()), AllowAnyAudience: true}
			if test.edit != nil {
				test.edit(&config)
			}
			id := verifies(t, config, issuer.OIDC("user_ada", test.edits...), test.want)
			if test.want == 0 && id.Subject != "user_ada" {
				t.Errorf("%v; want user_ada", id)
			}
		})
	}
}

var (
	bound = []authtest.Edit{authtest.With("cnf", map[string]string{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})}
	app   = []authtest.Edit{authtest.With("client_id", "spa"), authtest.Header("typ", "at+jwt"), authtest.With("jti", "1")}
)

func TestTheKindsInForceAreLogged(t *testing.T) {
	t.Parallel()
	other := authtest.New("https://accounts.example.com")
	r := start(t, func(c *settings.Config) {
		c.Issuers = append(c.Issuers, settings.Issuer{
			URL: other.URL(), Profile: "oidc", JWTKey: string(other.PublicPEM()), Audiences: []string{"invoices"},
			Kinds: []auth.TokenKind{auth.KindMachine, auth.KindID}, AllowUnboundConfirmation: true,
		})
	})
	for _, want := range [][]string{
		{"level=INFO", "tokens are accepted", r.issuer.URL(), "profile=clerk", "kinds=session\n"},
		{"level=INFO", "tokens are accepted", other.URL(), "profile=oidc", `kinds="machine, id"`},
		{"level=WARN", "bound to a key", other.URL(), "allow_unbound_cnf"},
	} {
		if !contains(r.log, want...) {
			t.Errorf("no line with %q in\n%s", want, r.log)
		}
	}
}

// TestKeysOfAClusterAreFetchedAsItsServiceAccount uses an API server that has a
// certificate of its own and answers nobody without the token.
func TestKeysOfAClusterAreFetchedAsItsServiceAccount(t *testing.T) {
	t.Parallel()
	issuer := authtest.New("https://kubernetes.default.svc.cluster.local")
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-the-pod" || r.URL.RawQuery != "p=1" {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		r.URL.Path = authtest.JWKSPath
		issuer.ServeHTTP(w, r)
	}))
	defer api.Close()
	dir := t.TempDir()
	ca, secret := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	if err := errors.Join(os.WriteFile(ca, certificate, 0o600), os.WriteFile(secret, []byte("of-the-pod\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	id := verifies(t, settings.Issuer{
		URL: issuer.URL(), Profile: "kubernetes", JWKSURL: api.URL + "/openid/v1/jwks?p=1", CAFile: ca, TokenFile: secret,
		Audiences: []string{"invoices"},
	}, issuer.OIDC("system:serviceaccount:acme:robo", authtest.With("aud", []string{"invoices"})), 0)
	if id.Kind != auth.KindMachine {
		t.Errorf("kind %v; want machine", id.Kind)
	}
}

// TestATokenOfTheLongestConfigurableLengthIsAccepted compares MaxTokenBytesLimit with
// the limit of all headers, on every protocol.
func TestATokenOfTheLongestConfigurableLengthIsAccepted(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Issuers[0].MaxTokenBytes = settings.MaxTokenBytesLimit })
	ofLength := func(length int) string {
		pad := length / 2
		for {
			token := r.issuer.Session("user_ada", authtest.With("pad", strings.Repeat("x", pad)))
			if missing := length - len(token); missing > 0 {
				pad += max(1, missing*3/4-1)
			} else {
				return token // at most 1 longer, as base64 has no strings of every length
			}
		}
	}
	for name, call := range r.protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := call(t.Context(), t, ofLength(settings.MaxTokenBytesLimit-2))
			if err != nil || res.GetIdentity().GetSubject() != "user_ada" {
				t.Errorf("at the limit: %v, %v; want user_ada", res, err)
			}
			_, err = call(t.Context(), t, ofLength(settings.MaxTokenBytesLimit+1))
			if reason, _ := reasonOf(err); reason != auth.TokenTooLarge {
				t.Errorf("over the limit: %v; want %v", err, auth.TokenTooLarge)
			}
		})
	}
}

func TestVerifyTokenDecidesAsTheServerDoes(t *testing.T) {
	t.Parallel()
	issuer := hourIssuer{authtest.Start(t)}
	snapshot := filepath.Join(t.TempDir(), "keys.json")
	config := settings.Config{Issuers: []settings.Issuer{{URL: issuer.URL(), Audiences: []string{"invoices"}, KeysSnapshot: snapshot}}}
	forInvoices := authtest.With("aud", "invoices")
	for _, tt := range []struct {
		name  string
		token string
		want  auth.Reason
	}{
		{"a token of another audience", issuer.Session("user_ada", authtest.With("aud", "files")), auth.AudienceMismatch},
		{"a token that has expired", issuer.Session("user_ada", forInvoices, authtest.IssuedAt(time.Now().Add(-2*time.Hour))), auth.TokenExpired},
		{"a token of another key", issuer.Session("user_ada", forInvoices, authtest.SignedBy(authtest.NewKey("RS256"))), auth.KeyUnknown},
		{"no token", "", auth.TokenMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := VerifyToken(t.Context(), config, tt.token)
			if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
	id, err := VerifyToken(t.Context(), config, issuer.Session("user_ada", forInvoices))
	if err != nil || id.Subject != "user_ada" {
		t.Errorf("%v, %v", id, err)
	}
	if config.Issuers[0].KeysSnapshot != snapshot {
		t.Errorf("the caller's Config was changed: %+v", config.Issuers[0])
	}
	if _, err := os.Stat(snapshot); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the snapshot of a server was written: %v", err)
	}
}

func TestVerifyTokenRefusesAnInvalidConfig(t *testing.T) {
	t.Parallel()
	var fault *settings.Error
	if _, err := VerifyToken(t.Context(), settings.Config{}, "token"); !errors.As(err, &fault) {
		t.Errorf("%v; want a Error", err)
	}
}

func TestAnIssuerForDevelopmentIsLoggedAsAWarning(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Issuers[0].AllowAnyAudience = false })
	if _, err := r.native(t.Context(), t, r.issuer.Session("user_ada")); err != nil {
		t.Error(err)
	}
	if !contains(r.log, "level=WARN", "development alone", r.issuer.URL()) {
		t.Error("the log does not warn")
	}
}

func TestKeysOfAnOIDCIssuerAreDiscovered(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Issuers[0].Profile = "oidc" })
	if _, err := r.native(t.Context(), t, r.issuer.OIDC("user_ada")); err != nil {
		t.Error(err)
	}
	if r.issuer.Requests(authtest.DiscoveryPath) == 0 {
		t.Error("nobody asked for the discovery document")
	}
}
