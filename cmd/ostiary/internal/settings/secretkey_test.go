package settings

import (
	"slices"
	"testing"
)

func TestASecretKeyOfTheEnvironmentIsThatOfTheOneIssuerOfClerk(t *testing.T) {
	t.Parallel()
	const (
		clerk = "issuers:\n  - {url: https://clerk.example.com, allow_any_audience: true}\n"
		other = "  - {url: https://sso.example.com, profile: keycloak, audiences: [invoices]}\n"
		again = "  - {url: https://two.example.com, allow_any_audience: true}\n"
		own   = "issuers:\n  - {url: https://clerk.example.com, allow_any_audience: true, secret_key: sk_live_own}\n"
		key   = "CLERK_SECRET_KEY=sk_live_a1B2"
	)
	for name, test := range map[string]struct {
		file    string
		environ []string
		want    string // the key of the first issuer
		faults  []string
	}{
		"the only one":         {clerk, []string{key}, "sk_live_a1B2", nil},
		"beside another":       {clerk + other, []string{key, "CLERK_API_URL=https://clerk-proxy.example.com"}, "sk_live_a1B2", nil},
		"of two":               {clerk + again, []string{key}, "", []string{"CLERK_SECRET_KEY: does not say of which issuer it is: 2 in the YAML file are of Clerk; give the one that is meant its own secret_key_file there"}},
		"of none":              {"issuers:\n" + other, []string{key}, "", []string{"CLERK_SECRET_KEY: does not say of which issuer it is: 0 in the YAML file are of Clerk; give the one that is meant its own secret_key_file there"}},
		"that has its own":     {own, []string{key}, "sk_live_own", []string{"CLERK_SECRET_KEY: given, though the issuer in the YAML file has its own; remove one of them"}},
		"a wrong one":          {clerk, []string{"CLERK_SECRET_KEY=pk_live_x"}, "pk_live_x", []string{"CLERK_SECRET_KEY: is not a secret key of Clerk's: it starts with sk_test_ or sk_live_; copy it whole from the API keys in the dashboard"}},
		"an address alone":     {clerk + again, []string{"CLERK_API_URL=https://clerk-proxy.example.com"}, "", nil},
		"of the one described": {"", []string{"OSTIARY_ISSUER=https://clerk.example.com", "OSTIARY_ALLOW_ANY_AUDIENCE=true", key}, "sk_live_a1B2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, faults := sources{file: test.file, environ: test.environ}.read(t, All())
			if !slices.Equal(faults, test.faults) {
				t.Errorf("faults %q; want %q", faults, test.faults)
			}
			if got := loaded.Server.Issuers[0].SecretKey; got != test.want {
				t.Errorf("the key is %q; want %q", got, test.want)
			}
			if got := loaded.Server.Issuers[0].APIURL; name == "beside another" && got != "https://clerk-proxy.example.com" {
				t.Errorf("it is sent to %q", got)
			}
		})
	}
}
