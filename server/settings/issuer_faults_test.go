package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

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
	if issuer, id, err := config.OperatorSubject("https://login.example.com/t2#ada"); err != nil || issuer != "https://login.example.com/t2" || id != "ada" {
		t.Errorf("%s of %s, %v; want ada of t2", id, issuer, err)
	}
	if issuer, _, err := config.OperatorSubject("ada"); err == nil {
		t.Errorf("ada alone is of %s; want a fault, since there are two tenants", issuer)
	}
}
