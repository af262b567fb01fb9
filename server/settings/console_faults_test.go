package settings

import (
	"strings"
	"testing"
)

func TestSignInFaults(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		issuer Issuer
		want   string
	}{
		"all is well":                      {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{ClientID: "console", Scopes: []string{"offline_access"}, Resource: "https://api.example.com"}}, ""},
		"on loopback":                      {Issuer{URL: "http://127.0.0.1:8081", Console: ConsoleClient{ClientID: "console"}}, ""},
		"plain http":                       {Issuer{URL: "http://keycloak:8080", InsecureHTTP: true, Console: ConsoleClient{ClientID: "console"}}, "console_client_id: a browser would sign in over plain http"},
		"no URL":                           {Issuer{URL: "acme", JWKSURL: "https://acme.example.com/keys", Console: ConsoleClient{ClientID: "console"}}, "console_client_id: nobody can sign in at an issuer that is no URL"},
		"a URL of hyphens alone":           {Issuer{URL: "https://-", JWKSURL: "https://acme.example.com/keys", Console: ConsoleClient{ClientID: "console"}}, "console_client_id: nobody can sign in at an issuer that is no URL"},
		"several tenants":                  {Issuer{URL: "https://login.example.com/{tenantid}/v2.0", Tenants: []string{"a"}, JWKSURL: "https://login.example.com/keys", Console: ConsoleClient{ClientID: "console"}}, "console_client_id: users sign in at one tenant"},
		"white space in the client":        {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{ClientID: "con sole"}}, "console_client_id"},
		"scopes in one text":               {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{ClientID: "console", Scopes: []string{"a b"}}}, "console_scopes"},
		"a resource that is no URI":        {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{ClientID: "console", Resource: "invoices"}}, "console_resource: must be an absolute URI"},
		"a resource with a fragment":       {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{ClientID: "console", Resource: "https://a.example.com#x"}}, "console_resource"},
		"scopes without a client":          {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{Scopes: []string{"a"}}}, "console_scopes: says how the console signs in, which it does not"},
		"an audience without a client":     {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{Audience: "a"}}, "console_audience: says how"},
		"a resource without a client":      {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{Resource: "https://a.example.com"}}, "console_resource: says how"},
		"a URL with something like a user": {Issuer{URL: "https://sso.example.com", Console: ConsoleClient{ClientID: "https://console.example.com/client"}}, ""},
	} {
		row.issuer.Profile, row.issuer.Audiences = "oidc", []string{"invoices"}
		faults := Config{Issuers: []Issuer{row.issuer}}.Faults()
		switch {
		case row.want == "" && len(faults) > 0:
			t.Errorf("%s: %v", name, faults)
		case row.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].String(), row.want)):
			t.Errorf("%s: %v; want %s", name, faults, row.want)
		}
	}
}

func TestIssuersWithOneRedirectURIAreRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		one, two string
		refused  bool
	}{
		"two hosts":           {"https://a.example.com", "https://b.example.com", false},
		"two realms":          {"https://sso.example.com/realms/a", "https://sso.example.com/realms/b", false},
		"two ports":           {"https://sso.example.com:8443", "https://sso.example.com", false},
		"a slash at the end":  {"https://sso.example.com", "https://sso.example.com/", true},
		"another scheme":      {"https://localhost", "http://localhost", true},
		"another separator":   {"https://sso.example.com/a/b", "https://sso.example.com/a-b", true},
		"another case":        {"https://sso.example.com/A", "https://sso.example.com/a", true},
		"what is not written": {"https://sso.example.com/a", "https://sso.example.com/a!", true},
	} {
		var c Config
		for _, url := range []string{row.one, row.two} {
			c.Issuers = append(c.Issuers, Issuer{URL: url, Profile: "oidc", JWKSURL: "https://keys.example.com", Audiences: []string{"invoices"}, Console: ConsoleClient{ClientID: "console"}})
		}
		faults := c.Faults()
		refused := len(faults) == 1 && strings.Contains(faults[0].String(), "issuers[1]") && strings.Contains(faults[0].String(), "would have the redirect URI of "+row.one)
		if refused != row.refused || !refused && len(faults) > 0 {
			t.Errorf("%s: %v; want it refused: %v", name, faults, row.refused)
		}
	}
}

func TestAnInvalidPublishableKeyIsAFault(t *testing.T) {
	t.Parallel()
	config := Config{Issuers: []Issuer{{URL: "https://clerk.example.com", Audiences: []string{"invoices"}}}}
	for key, want := range map[string]bool{"": false, "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k": false, "sk_live_hunter2": true} {
		config.Console = Console{Enabled: true, PublishableKey: key}
		faults := config.Faults()
		if found := len(faults) == 1 && faults[0].Setting == "publishable_key"; found != want || !want && len(faults) > 0 {
			t.Errorf("%q: %v", key, faults)
		}
	}
}

func TestCallbackPathsOfIssuers(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://sso.example.com/realms/acme": "/console/callback/sso.example.com-realms-acme",
		"https://example.eu.auth0.com/":       "/console/callback/example.eu.auth0.com",
		"http://localhost:8081":               "/console/callback/localhost-8081",
		"http://[::1]:8081/x_y":               "/console/callback/1-8081-x_y",
		"https://sso.example.com/../{x}/é?q":  "/console/callback/sso.example.com-..-x-q",
		"https://..":                          "",
	} {
		if got := (&Issuer{URL: url}).ConsoleCallback(); got != want {
			t.Errorf("%s: %s; want %s", url, got, want)
		}
	}
}
