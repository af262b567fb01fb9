package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const live, test = "sk_live_a1B2_c3=", "sk_test_a1B2"
	const production, development = "https://clerk.example.com", "https://happy-hippo-1.clerk.accounts.dev"
	for name, test := range map[string]struct {
		issuer Issuer
		want   []string
	}{
		"of production":                  {Issuer{URL: production, SecretKey: live}, nil},
		"of development":                 {Issuer{URL: development, SecretKey: test}, nil},
		"in a file":                      {Issuer{URL: production, SecretKeyFile: file("good", live+"\n"), APIURL: "https://api.example.com/clerk/"}, nil},
		"of a test on this machine":      {Issuer{URL: "http://127.0.0.1:1", SecretKey: test, APIURL: "http://127.0.0.1:2"}, nil},
		"of development for production":  {Issuer{URL: production, SecretKey: test}, []string{"issuers[0].secret_key: is of a development instance, and the issuer https://clerk.example.com is not"}},
		"of production for development":  {Issuer{URL: development, SecretKey: live}, []string{"issuers[0].secret_key: is of a production instance, and the issuer https://happy-hippo-1.clerk.accounts.dev is of a development instance"}},
		"a publishable key":              {Issuer{URL: production, SecretKey: "pk_live_a1B2"}, []string{"issuers[0].secret_key: is not a secret key of Clerk's: it starts with sk_test_ or sk_live_"}},
		"the beginning of one":           {Issuer{URL: production, SecretKey: "sk_live_"}, []string{"issuers[0].secret_key: is not a secret key of Clerk's: it has nothing after its prefix"}},
		"two lines":                      {Issuer{URL: production, SecretKeyFile: file("two", live+"\n"+live)}, []string{"issuers[0].secret_key_file: is not a secret key of Clerk's: it has nothing"}},
		"an empty file":                  {Issuer{URL: production, SecretKeyFile: file("empty", "\n")}, []string{"issuers[0].secret_key_file: the file is empty"}},
		"no file":                        {Issuer{URL: production, SecretKeyFile: filepath.Join(dir, "none")}, []string{"issuers[0].secret_key_file: cannot read the secret key"}},
		"a key and a file":               {Issuer{URL: production, SecretKey: live, SecretKeyFile: file("also", live)}, []string{"issuers[0].secret_key_file: given beside `secret_key`"}},
		"for another provider":           {Issuer{URL: "https://sso.example.com", Profile: "keycloak", SecretKey: live}, []string{"issuers[0].secret_key: is Clerk's, and `profile` is keycloak"}},
		"with sessions that are another": {Issuer{URL: production, SecretKey: live, Claims: Claims{Session: []string{"login"}}}, []string{"issuers[0].secret_key: is given with `session_claim`"}},
		"sent over plain http":           {Issuer{URL: production, SecretKey: live, APIURL: "http://api.example.com", InsecureHTTP: true}, []string{`issuers[0].api_url: "http://api.example.com" is plain http`}},
		"sent with a version":            {Issuer{URL: production, SecretKey: live, APIURL: "https://api.clerk.com/v1/"}, []string{`issuers[0].api_url: "https://api.clerk.com/v1/" ends in the version`}},
		"sent with a query":              {Issuer{URL: production, SecretKey: live, APIURL: "https://api.clerk.com?"}, []string{"issuers[0].api_url: has a query"}},
		"sent with a user":               {Issuer{URL: production, SecretKey: live, APIURL: "https://ada:pw@api.clerk.com"}, []string{"issuers[0].api_url: has a user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.issuer.AllowAnyAudience = true
			faults := Config{Issuers: []Issuer{test.issuer}}.Faults()
			if len(faults) != len(test.want) {
				t.Fatalf("faults %v; want %q", faults, test.want)
			}
			for i, fault := range faults {
				if text := fault.String(); !strings.HasPrefix(text, test.want[i]) || strings.Contains(text, "a1B2") {
					t.Errorf("%s; want it to begin with %s, and no part of the key in it", text, test.want[i])
				}
			}
		})
	}
}
