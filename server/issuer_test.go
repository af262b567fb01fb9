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
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// verifies asserts what becomes of a token with an issuer's settings.
func verifies(t *testing.T, issuer Issuer, token string, want auth.Reason) *auth.Identity {
	t.Helper()
	id, err := VerifyToken(t.Context(), Config{Issuers: []Issuer{issuer}}, token)
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
	base := Issuer{URL: url, Profile: "oidc", JWTKey: string(issuer.PublicPEM()), Audiences: []string{"invoices"}}
	tests := map[string]struct {
		claims Claims
		want   func(*auth.Identity) any
		value  any
	}{
		"a claim within another":     {Claims{Roles: []string{"/realm_access/roles"}}, roles, []string{"admin", "auditor"}},
		"a claim of each audience":   {Claims{Roles: []string{"/resource_access/{audience}/roles"}}, roles, []string{"editor"}},
		"a name with dots":           {Claims{Roles: []string{"https://example.com/roles"}}, roles, []string{"owner"}},
		"a name with escapes":        {Claims{Roles: []string{"/a~1b~0c/d"}}, roles, []string{"escaped"}},
		"roles of two claims":        {Claims{Roles: []string{"/realm_access/roles", "https://example.com/roles"}}, roles, []string{"admin", "auditor", "owner"}},
		"groups, which are objects":  {Claims{Groups: []string{"teams"}, NameMember: "name"}, roles, []string{"blue"}},
		"groups, whose name is none": {Claims{Groups: []string{"teams"}}, roles, []string(nil)},
		"permissions":                {Claims{Permissions: []string{"can"}}, func(id *auth.Identity) any { return id.Permissions }, []string{"invoices:read"}},
		"scopes":                     {Claims{Scopes: []string{"granted"}}, func(id *auth.Identity) any { return id.Scopes }, []string{"email", "profile"}},
		"an organization, and the role in it": {
			Claims{Organization: []string{"/tenant/id"}, OrganizationRole: []string{"/tenant/role"}},
			func(id *auth.Identity) any { return id.Organization.ID + " " + id.Organization.Role }, "org_acme org:member",
		},
		"a session":              {Claims{Session: []string{"login"}}, func(id *auth.Identity) any { return id.SessionID }, "sess_1"},
		"the second of two":      {Claims{Session: []string{"absent", "login"}}, func(id *auth.Identity) any { return id.SessionID }, "sess_1"},
		"a claim that is absent": {Claims{Roles: []string{"/absent/roles"}}, roles, []string(nil)},
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
		edit  func(*Issuer)
		mint  func(*authtest.Issuer, ...authtest.Edit) string
		edits []authtest.Edit
		want  auth.Reason
	}{
		"a token of 200 groups is too large":       {iss: url, edits: []authtest.Edit{authtest.With("groups", groups)}, want: auth.TokenTooLarge},
		"a token of 200 groups, where that is set": {iss: url, edit: func(i *Issuer) { i.MaxTokenBytes = 16 << 10 }, edits: []authtest.Edit{authtest.With("groups", groups)}},
		"a token over what is set":                 {iss: url, edit: func(i *Issuer) { i.MaxTokenBytes = 100 }, want: auth.TokenTooLarge},
		"a bound token":                            {iss: url, edits: bound, want: auth.TokenBindingUnchecked},
		"a bound token, where that is set":         {iss: url, edit: func(i *Issuer) { i.AllowUnboundConfirmation = true }, edits: bound},
		"an iss that is no URL":                    {iss: "accounts.example.com"},
		"another spelling":                         {iss: "accounts.example.com", edit: func(i *Issuer) { i.URL, i.Aliases = url, []string{"accounts.example.com"} }},
		"another spelling that is not set":         {iss: "accounts.example.com", edit: func(i *Issuer) { i.URL = url }, want: auth.IssuerUntrusted},
		"a tenant": {iss: "https://login.example.com/" + tenant + "/v2.0", edit: func(i *Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"another", tenant}
		}},
		"a tenant that is not set": {iss: "https://login.example.com/other/v2.0", edit: func(i *Issuer) {
			i.URL, i.Tenants = "https://login.example.com/{tenantid}/v2.0", []string{"another", tenant}
		}, want: auth.IssuerUntrusted},
		"an ID token":                    {iss: url, edits: []authtest.Edit{authtest.With("nonce", "n")}, want: auth.TokenKindUnsupported},
		"an ID token, where that is set": {iss: url, edit: func(i *Issuer) { i.Kinds = []auth.TokenKind{auth.KindID} }, edits: []authtest.Edit{authtest.With("nonce", "n")}},
		"a token for any client is an application's": {iss: url, edit: func(i *Issuer) { i.Kinds = []auth.TokenKind{auth.KindSession} },
			edits: app, want: auth.TokenKindUnsupported},
		"a token for a first-party client is a session": {iss: url, edit: func(i *Issuer) {
			i.Kinds, i.FirstPartyClients = []auth.TokenKind{auth.KindSession}, []string{"web", "spa"}
		}, edits: app},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := authtest.New(test.iss)
			config := Issuer{URL: test.iss, Profile: "oidc", JWTKey: string(issuer.PublicPEM()), AllowAnyAudience: true}
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
	r := start(t, func(c *Config) {
		c.Issuers = append(c.Issuers, Issuer{
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
	id := verifies(t, Issuer{
		URL: issuer.URL(), Profile: "kubernetes", JWKSURL: api.URL + "/openid/v1/jwks?p=1", CAFile: ca, TokenFile: secret,
		Audiences: []string{"invoices"},
	}, issuer.OIDC("system:serviceaccount:acme:robo", authtest.With("aud", []string{"invoices"})), 0)
	if id.Kind != auth.KindMachine {
		t.Errorf("kind %v; want machine", id.Kind)
	}
}

func TestHowKeysAreFetched(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		issuer Issuer
		want   jwks.RemoteConfig
	}{
		"of Clerk, beside the issuer":        {Issuer{URL: "https://clerk.example.com"}, jwks.RemoteConfig{URL: "https://clerk.example.com/.well-known/jwks.json"}},
		"of Clerk by name":                   {Issuer{URL: "https://clerk.example.com", Profile: "clerk"}, jwks.RemoteConfig{URL: "https://clerk.example.com/.well-known/jwks.json"}},
		"of others, by discovery":            {Issuer{URL: "https://a.example", Profile: "oidc"}, jwks.RemoteConfig{Issuer: "https://a.example"}},
		"from where the settings say":        {Issuer{URL: "https://a.example", Profile: "oidc", JWKSURL: "https://b.example/keys?p=1"}, jwks.RemoteConfig{URL: "https://b.example/keys?p=1"}},
		"in a private network":               {Issuer{URL: "http://a.internal", Profile: "oidc", InsecureHTTP: true}, jwks.RemoteConfig{Issuer: "http://a.internal", InsecureAllowPlaintext: true}},
		"as a pod":                           {Issuer{URL: "https://a.example", Profile: "oidc", CAFile: "ca", TokenFile: "token"}, jwks.RemoteConfig{Issuer: "https://a.example", CAFile: "ca", TokenFile: "token"}},
		"of a trust domain":                  {Issuer{URL: "spiffe://example.org", Profile: "spiffe", JWKSURL: "https://a.example/bundle"}, jwks.RemoteConfig{URL: "https://a.example/bundle", AllowJWTSVID: true}},
		"of a provider whose URL says which": {Issuer{URL: "https://example.eu.auth0.com/"}, jwks.RemoteConfig{Issuer: "https://example.eu.auth0.com/"}},
		"of Clerk where nothing says which":  {Issuer{URL: "https://a.example"}, jwks.RemoteConfig{URL: "https://a.example/.well-known/jwks.json"}},
		"with a snapshot":                    {Issuer{URL: "https://a.example", Profile: "oidc", KeysSnapshot: "keys.json"}, jwks.RemoteConfig{Issuer: "https://a.example", Snapshot: "keys.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.issuer.RemoteConfig(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v; want %+v", got, test.want)
			}
		})
	}
}

func TestFaultsOfAnIssuer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	key := string(authtest.New("").PublicPEM())
	const template = "https://login.example.com/{tenantid}/v2.0"
	tests := map[string]struct {
		issuer Issuer
		want   []string // what each fault begins with
	}{
		"an issuer on plain http in a private network": {Issuer{URL: "http://a.internal:8080/realms/acme", InsecureHTTP: true, Audiences: []string{"a"}}, nil},
		"an issuer on plain http is no development in a private network": {
			Issuer{URL: "http://a.internal", InsecureHTTP: true}, []string{"audiences: neither"},
		},
		"keys on plain http in a private network":       {Issuer{URL: "https://a.example", JWKSURL: "http://keys.internal/jwks", InsecureHTTP: true}, nil},
		"keys with a query":                             {Issuer{URL: "https://a.example", JWKSURL: "https://a.example/keys?p=b2c_1"}, nil},
		"keys with a fragment":                          {Issuer{URL: "https://a.example", JWKSURL: "https://a.example/keys#1"}, []string{"jwks_url: has a fragment"}},
		"keys with a user":                              {Issuer{URL: "https://a.example", JWKSURL: "https://me:hunter2@a.example/keys"}, []string{"jwks_url: has a user"}},
		"keys on plain http":                            {Issuer{URL: "https://a.example", JWKSURL: "http://keys.internal/jwks"}, []string{"jwks_url: \"http://keys.internal/jwks\" is plain http, which is allowed on loopback alone; use https, or set `insecure_http`"}},
		"keys at no host":                               {Issuer{URL: "https://a.example", JWKSURL: "https:///keys"}, []string{`jwks_url: "https:///keys" is not a URL`}},
		"keys of another scheme":                        {Issuer{URL: "https://a.example", JWKSURL: "file:///keys"}, []string{`jwks_url: "file:///keys" is not a URL`}},
		"an issuer with an open bracket":                {Issuer{URL: "https://[::1"}, []string{`url: "https://[::1" is not a URL`}},
		"an issuer with a bracket and a password":       {Issuer{URL: "https://me:hunter2@[::1"}, []string{"url: has a user"}},
		"an issuer without a host":                      {Issuer{URL: "https:///path"}, []string{`url: "https:///path" is not a URL`}},
		"an issuer with a port and no host":             {Issuer{URL: "https://:443"}, []string{`url: "https://:443" is not a URL`}},
		"an issuer with a query":                        {Issuer{URL: "https://a.example?x=1"}, []string{"url: has a query"}},
		"an issuer with a fragment":                     {Issuer{URL: "https://a.example#x"}, []string{"url: has a fragment"}},
		"an issuer with a space":                        {Issuer{URL: "https://a.example/a b"}, []string{`url: "https://a.example/a b" is not a URL`}},
		"an issuer that is a pattern":                   {Issuer{URL: "https://*.example.com"}, []string{`url: "https://*.example.com" is a pattern`}},
		"an issuer with another placeholder":            {Issuer{URL: "https://a.example/{tenant}"}, []string{`url: "https://a.example/{tenant}" is a pattern`}},
		"an issuer that is no URL":                      {Issuer{URL: "accounts.google.com", Profile: "google"}, []string{"url: \"accounts.google.com\" is not a URL; write https://host/path. If the iss claim really is no URL, set `jwks_url` too"}},
		"one that is no URL, with keys":                 {Issuer{URL: "accounts.google.com", Profile: "google", JWKSURL: "https://www.googleapis.com/oauth2/v3/certs"}, nil},
		"one that is no URL, with a key":                {Issuer{URL: "accounts.google.com", Profile: "google", JWTKey: key}, nil},
		"one that is no URL, with a space":              {Issuer{URL: "my issuer", Profile: "oidc", JWTKey: key}, []string{`url: "my issuer" has white space`}},
		"one that is no URL, with a control":            {Issuer{URL: "issuer\x00", Profile: "oidc", JWTKey: key}, []string{`url: "issuer\x00" has white space`}},
		"an alias that is no URL":                       {Issuer{URL: "https://accounts.google.com", Profile: "oidc", Aliases: []string{"accounts.google.com"}}, nil},
		"an alias that is empty, and a pattern":         {Issuer{URL: "https://a.example", Aliases: []string{"", "https://*.a.example"}}, []string{"aliases: missing", `aliases: "https://*.a.example" is a pattern`}},
		"an issuer on plain http with keys on https":    {Issuer{URL: "http://fs.example/adfs/services/trust", Profile: "entra", Audiences: []string{"a"}, JWKSURL: "https://fs.example/adfs/discovery/keys"}, nil},
		"an issuer on plain http with a key":            {Issuer{URL: "http://fs.example/adfs/services/trust", Profile: "entra", Audiences: []string{"a"}, JWTKey: key}, nil},
		"an issuer on plain http with keys on it":       {Issuer{URL: "http://fs.example", Profile: "entra", Audiences: []string{"a"}, JWKSURL: "http://fs.example/keys"}, []string{`jwks_url: "http://fs.example/keys" is plain http`}},
		"an issuer on plain http, with keys and a user": {Issuer{URL: "http://me@fs.example", Profile: "entra", Audiences: []string{"a"}, JWTKey: key}, []string{"url: has a user"}},
		"an algorithm by its newer name":                {Issuer{URL: "https://a.example", Algorithms: []string{"Ed25519", "ES256"}}, nil},
		"an algorithm in small letters":                 {Issuer{URL: "https://a.example", Algorithms: []string{"ed25519"}}, []string{`algorithms: "ed25519" is not supported`}},
		"an alias on plain http":                        {Issuer{URL: "https://a.example", Aliases: []string{"http://a.example"}}, []string{`aliases: "http://a.example" is plain http`}},
		"a template without tenants":                    {Issuer{URL: template, Profile: "entra", JWKSURL: "https://a.example/keys"}, []string{"url: {tenantid} stands for a tenant, and no token has it in its iss; write your tenant's id in its place, or list ids in `tenants`"}},
		"a template with tenants":                       {Issuer{URL: template, Profile: "entra", Tenants: []string{"t1"}, JWKSURL: "https://a.example/keys"}, nil},
		"a template with tenants and no keys":           {Issuer{URL: template, Profile: "entra", Tenants: []string{"t1"}}, []string{"url: has {tenantid}, so the keys cannot be discovered from it; set `jwks_url`"}},
		"tenants without a template":                    {Issuer{URL: "https://a.example", Tenants: []string{"t1"}}, []string{"tenants: given, though `url` has no {tenantid}"}},
		"tenants that are none": {
			Issuer{URL: template, Profile: "entra", JWTKey: key, Tenants: []string{"", "common", "organizations", "consumers", "a/b", "*", "{tenantid}", "t1", "a b"}},
			[]string{`tenants: "" is not the id`, `tenants: "common" stands for many`, `tenants: "organizations" stands for many`, `tenants: "consumers" stands for many`, `tenants: "a/b" is not the id`, `tenants: "*" is not the id`, `tenants: "{tenantid}" is not the id`, `tenants: "a b" is not the id`},
		},
		"a trust domain":                    {Issuer{URL: "spiffe://example.org", Profile: "spiffe", JWKSURL: "https://a.example/bundle"}, nil},
		"a trust domain without keys":       {Issuer{URL: "spiffe://example.org", Profile: "spiffe"}, []string{"url: a trust domain does not say where its keys are; set `jwks_url`"}},
		"a trust domain of another profile": {Issuer{URL: "spiffe://example.org", Profile: "oidc", JWTKey: key}, []string{"url: \"spiffe://example.org\" is a trust domain; set `profile` to spiffe"}},
		"a trust domain with a path":        {Issuer{URL: "spiffe://example.org/ns", Profile: "spiffe", JWTKey: key}, []string{`url: "spiffe://example.org/ns" is not a trust domain`}},
		"a trust domain that is a URL":      {Issuer{URL: "https://example.org", Profile: "spiffe", JWTKey: key}, []string{`url: "https://example.org" is not a trust domain`}},
		"a trust domain without a name":     {Issuer{URL: "spiffe://", Profile: "spiffe", JWTKey: key}, []string{`url: "spiffe://" is not a trust domain`}},
		"a CA file that is not there":       {Issuer{URL: "https://a.example", CAFile: "/nowhere/ca.crt"}, []string{"ca_file: open /nowhere/ca.crt"}},
		"a CA file without a certificate":   {Issuer{URL: "https://a.example", CAFile: empty}, []string{"ca_file: " + empty + " holds no certificate"}},
		"a token file that is not there":    {Issuer{URL: "https://a.example", TokenFile: "/nowhere/token"}, []string{"token_file: open /nowhere/token"}},
		"a token file that is empty":        {Issuer{URL: "https://a.example", TokenFile: empty}, []string{"token_file: " + empty + " does not hold one bearer token"}},
		"a token over plain http":           {Issuer{URL: "http://a.internal", InsecureHTTP: true, TokenFile: empty, Audiences: []string{"a"}}, []string{"token_file: would be sent over plain http"}},
		"a token to keys over plain http":   {Issuer{URL: "https://a.example", JWKSURL: "http://a.internal", InsecureHTTP: true, TokenFile: empty}, []string{"token_file: would be sent over plain http"}},
		"files beside a fixed key":          {Issuer{URL: "https://a.example", JWTKey: key, CAFile: empty, TokenFile: empty}, []string{"ca_file: given beside `jwt_key`", "token_file: given beside `jwt_key`"}},
		"parties that match nothing":        {Issuer{URL: "https://a.example", AuthorizedParties: []string{"https://app.example.com/", "https://app.example.com/login", "https://*.example.com", "https://App.example.com", "https://app.example.com:443", "https://app.example.com "}}, []string{`authorized_parties: "https://*.example.com" would match nothing, since it is compared exactly`, `authorized_parties: "https://app.example.com " would match nothing; remove the white space`, `authorized_parties: "https://app.example.com/" would match nothing, since azp is an origin: leave out everything after the host`, `authorized_parties: "https://app.example.com/login" would`, `authorized_parties: "https://App.example.com" would match nothing, since azp is an origin: browsers send it in lower case`, `authorized_parties: "https://app.example.com:443" would`, `authorized_parties: "https://app.example.com " would match nothing, since azp`}},
		"parties of Clerk":                  {Issuer{URL: "https://a.example", AuthorizedParties: []string{"https://app.example.com", "http://localhost:3000", "capacitor://localhost", "chrome-extension://abcdef"}}, nil},
		"parties of others, which are ids":  {Issuer{URL: "https://a.example", Profile: "oidc", AuthorizedParties: []string{"https://app.example.com/client.json", "spa"}}, nil},
		"a party of others with a wildcard": {Issuer{URL: "https://a.example", Profile: "oidc", AuthorizedParties: []string{"*"}}, []string{`authorized_parties: "*" would match nothing`}},
		"an audience with a wildcard":       {Issuer{URL: "https://a.example", Audiences: []string{"api://*"}}, []string{`audiences: "api://*" would match nothing`}},
		"first-party clients of nothing":    {Issuer{URL: "https://a.example", FirstPartyClients: []string{"", "*", "a b"}}, []string{"first_party_clients: an empty entry", `first_party_clients: "*" would`, `first_party_clients: "a b" would`}},
		"the longest token":                 {Issuer{URL: "https://a.example", MaxTokenBytes: MaxTokenBytesLimit}, nil},
		"a token that no header can hold":   {Issuer{URL: "https://a.example", MaxTokenBytes: MaxTokenBytesLimit + 1}, []string{"max_token_bytes: must be from 1 to 30720"}},
		"a token of less than nothing":      {Issuer{URL: "https://a.example", MaxTokenBytes: -1}, []string{"max_token_bytes: must be from 1 to"}},
		"claims that are none": {
			Issuer{URL: "https://a.example", Claims: Claims{Roles: []string{""}, Groups: []string{"/"}, Permissions: []string{"/a//b"}, Scopes: []string{"/a~2"}, Organization: []string{"/a~"}, OrganizationRole: []string{"/a/"}, Session: []string{"//"}}},
			[]string{`roles_claim: "" is not a claim`, `groups_claim: "/" is`, `permissions_claim: "/a//b" is`, `scopes_claim: "/a~2" is`, `organization_claim: "/a~" is`, `organization_role_claim: "/a/" is`, `session_claim: "//" is`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := test.issuer
			if !strings.Contains(name, "private network") && len(issuer.Audiences)+len(issuer.AuthorizedParties) == 0 {
				issuer.AllowAnyAudience = true
			}
			if strings.HasPrefix(name, "keys on plain http in") {
				issuer.AllowAnyAudience = true
			}
			assertFaults(t, issuer.faults(), test.want)
		})
	}
}

func TestIssuersThatShareANameAreAFault(t *testing.T) {
	t.Parallel()
	template := Issuer{URL: "https://login.example.com/{tenantid}", Tenants: []string{"t1", "t2"}, Profile: "oidc", JWKSURL: "https://login.example.com/keys", AllowAnyAudience: true}
	one := Issuer{URL: "https://a.example", Aliases: []string{"a.example"}, Profile: "oidc", AllowAnyAudience: true}
	for name, test := range map[string]struct {
		issuers []Issuer
		want    string
	}{
		"a tenant that is an issuer too": {[]Issuer{template, {URL: "https://login.example.com/t2", Profile: "oidc", AllowAnyAudience: true}}, "issuers[1].url: https://login.example.com/t2 is issuers[0] already"},
		"an alias that is an issuer too": {[]Issuer{one, {URL: "a.example", Profile: "oidc", JWKSURL: "https://a.example/keys", AllowAnyAudience: true}}, "issuers[1].url: a.example is issuers[0] already"},
		"an issuer that is an alias too": {[]Issuer{{URL: "a.example", Profile: "oidc", JWKSURL: "https://a.example/keys", AllowAnyAudience: true}, one}, "issuers[1].url: a.example is issuers[0] already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := Config{Issuers: test.issuers}.Faults()
			if len(faults) != 1 || !strings.HasPrefix(faults[0].String(), test.want) {
				t.Errorf("faults %v; want %q", faults, test.want)
			}
		})
	}
}

func TestAnOperatorOfATenantIsNamedWithTheTenantsIssuer(t *testing.T) {
	t.Parallel()
	template := Issuer{URL: "https://login.example.com/{tenantid}", Tenants: []string{"t1", "t2"}}
	config := Config{Issuers: []Issuer{template}}
	if got, err := config.operatorSubject("https://login.example.com/t2#ada"); err != nil || got != (subject{"https://login.example.com/t2", "ada"}) {
		t.Errorf("%v, %v; want ada of t2", got, err)
	}
	if got, err := config.operatorSubject("ada"); err == nil {
		t.Errorf("ada alone is %v; want a fault, since there are two tenants", got)
	}
	if skews := config.skews(); len(skews) != 2 || skews["https://login.example.com/t1"] == 0 {
		t.Errorf("skews %v; want those of both tenants", skews)
	}
}

// TestATokenOfTheLongestConfigurableLengthIsAccepted compares MaxTokenBytesLimit with
// the limit of all headers, on every protocol.
func TestATokenOfTheLongestConfigurableLengthIsAccepted(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Issuers[0].MaxTokenBytes = MaxTokenBytesLimit })
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
			res, err := call(t.Context(), t, ofLength(MaxTokenBytesLimit-2))
			if err != nil || res.GetIdentity().GetSubject() != "user_ada" {
				t.Errorf("at the limit: %v, %v; want user_ada", res, err)
			}
			_, err = call(t.Context(), t, ofLength(MaxTokenBytesLimit+1))
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
	config := Config{Issuers: []Issuer{{URL: issuer.URL(), Audiences: []string{"invoices"}, KeysSnapshot: snapshot}}}
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
	var fault *ConfigError
	if _, err := VerifyToken(t.Context(), Config{}, "token"); !errors.As(err, &fault) {
		t.Errorf("%v; want a ConfigError", err)
	}
}
