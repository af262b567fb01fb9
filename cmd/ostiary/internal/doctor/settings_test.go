package doctor_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
)

// publishable returns the publishable key of an instance of Clerk.
func publishable(environment, host string) string {
	return "pk_" + environment + "_" + base64.RawStdEncoding.EncodeToString([]byte(host+"$"))
}

func TestTroubleWithTheSettingsIsFound(t *testing.T) {
	t.Parallel()
	const development = "CLERK_JWT_ISSUER=https://calm-cat-1.clerk.accounts.dev"
	for name, test := range map[string]struct {
		setup setup
		want  want
	}{
		"nothing is set":              {setup{}, want{"settings.url", doctor.Fault, "set it to the iss claim of your tokens", "no issuer is given"}},
		"no audience":                 {setup{environ: []string{development}}, want{"settings.audiences", doctor.Fault, "", "neither OSTIARY_AUDIENCES"}},
		"a variable is mistyped":      {setup{environ: []string{"OSTIARY_AUDIENCE=api"}}, want{"settings.unknown_variable", doctor.Warning, "did you mean OSTIARY_AUDIENCES", ""}},
		"one of Clerk is mistyped":    {setup{environ: []string{"CLERK_JWT_AUDIENCE=api"}}, want{"settings.unknown_variable", doctor.Warning, "did you mean CLERK_JWT_AUD", ""}},
		"it is mistyped in a file":    {setup{envFile: "OSTIARY_ISUER=x\n"}, want{"settings.unknown_variable", doctor.Warning, "did you mean OSTIARY_ISSUER", ""}},
		"docker passes quotes on":     {setup{environ: []string{`CLERK_JWT_ISSUER="https://calm-cat-1.clerk.accounts.dev"`}}, want{"settings.url", doctor.Fault, "remove the quotes", "begins and ends with a quote"}},
		"docker passes blanks on":     {setup{environ: []string{"CLERK_JWT_ISSUER =https://calm-cat-1.clerk.accounts.dev"}}, want{"settings.blank_in_name", doctor.Fault, "without blanks around the =", ""}},
		"a file that cannot be read":  {setup{flags: []string{"--config", "/nowhere/ostiary.yaml"}}, want{"settings.source", doctor.Fault, "", "cannot be read"}},
		"a file that is no variables": {setup{envFile: "this is not it"}, want{"settings.source", doctor.Fault, "quote multi-line values", "cannot be parsed"}},
		"an unknown key in the file":  {setup{yaml: "audience: [api]\n"}, want{"settings.source", doctor.Fault, "", "unknown setting"}},
		"an origin with a slash":      {setup{environ: []string{"CORS_ALLOWED_ORIGINS=https://app.example.com/"}}, want{"settings.cors_allowed_origins", doctor.Fault, "", "a trailing slash too"}},
		"an origin without a scheme":  {setup{environ: []string{"CORS_ALLOWED_ORIGINS=app.example.com"}}, want{"settings.cors_allowed_origins", doctor.Fault, "", "write scheme://host"}},
		"a party with a slash":        {setup{environ: []string{development, "CLERK_AUTHORIZED_PARTIES=https://app.example.com/"}}, want{"settings.authorized_parties", doctor.Fault, "", "slash"}},
		"a webhook secret of another form": {
			setup{environ: []string{development, "CLERK_JWT_AUD=api", "CLERK_WEBHOOK_SIGNING_SECRET=whsec_%%%"}}, want{"settings.clerk_webhook_secret", doctor.Fault, "", ""},
		},
		"a feed secret that is short": {setup{environ: []string{"OSTIARY_FEED_SECRET=short"}}, want{"settings.feed_secret", doctor.Fault, "", "32"}},
		"a key of another environment": {
			setup{environ: []string{development, "CLERK_JWT_AUD=api", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=" + publishable("live", "clerk.example.com")}},
			want{"clerk.publishable_key", doctor.Fault, "set the issuer to https://clerk.example.com, or another NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "one of them is of Clerk's development environment"},
		},
		"a key of another instance": {
			setup{environ: []string{"CLERK_JWT_ISSUER=https://clerk.example.org", "CLERK_JWT_AUD=api", "CLERK_PUBLISHABLE_KEY=" + publishable("live", "clerk.example.com")}},
			want{"clerk.publishable_key", doctor.Fault, "copy issuer and keys from the same instance", "it is that of https://clerk.example.com"},
		},
		"a publishable key that is none": {
			setup{environ: []string{development, "CLERK_JWT_AUD=api", "CLERK_PUBLISHABLE_KEY=pk_live_mistyped"}},
			want{"settings.publishable_key", doctor.Fault, "copy it whole from the dashboard", "not a publishable key"},
		},
		"a publishable key without the secret one": {
			setup{environ: []string{"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=" + publishable("test", "calm-cat-1.clerk.accounts.dev"), "CLERK_JWT_AUD=api"}},
			want{"clerk.secret_key_missing", doctor.Warning, "set CLERK_SECRET_KEY", ""},
		},
		"a secret key of another environment": {
			setup{environ: []string{"CLERK_PUBLISHABLE_KEY=" + publishable("live", "clerk.example.com"), "CLERK_JWT_AUD=api", "CLERK_SECRET_KEY=sk_test_abcdefghijklmnopqrstuvwxyz0123456789abcd"}},
			want{"clerk.environments", doctor.Fault, "from the same instance", "of the test environment"},
		},
		"keys that belong together": {
			setup{environ: []string{development, "CLERK_JWT_AUD=api", "CLERK_PUBLISHABLE_KEY=" + publishable("test", "calm-cat-1.clerk.accounts.dev")}},
			want{"clerk.publishable_key", doctor.OK, "", "https://calm-cat-1.clerk.accounts.dev"},
		},
		"a client of no console": {
			setup{environ: []string{"OSTIARY_ISSUER=https://sso.example.com", "OSTIARY_PROFILE=oidc", "OSTIARY_AUDIENCES=api", "OSTIARY_CONSOLE_CLIENT_ID=web"}},
			want{"console.client_unused", doctor.Warning, "set OSTIARY_CONSOLE", "no console"},
		},
		"a client of the console that is no authorized party": {
			setup{environ: []string{"OSTIARY_ISSUER=https://sso.example.com", "OSTIARY_PROFILE=oidc", "OSTIARY_AUTHORIZED_PARTIES=app", "OSTIARY_CONSOLE=true", "OSTIARY_CONSOLE_CLIENT_ID=web"}},
			want{"console.client_not_authorized", doctor.Warning, "add the client to OSTIARY_AUTHORIZED_PARTIES", "not among the authorized parties"},
		},
		"a client of the console that cannot be signed in at": {
			setup{environ: []string{"OSTIARY_ISSUER=http://keycloak:8080/realms/acme", "OSTIARY_PROFILE=keycloak", "OSTIARY_INSECURE_HTTP=true", "OSTIARY_AUDIENCES=api", "OSTIARY_CONSOLE=true", "OSTIARY_CONSOLE_CLIENT_ID=web"}},
			want{"settings.console_client_id", doctor.Fault, "serve OSTIARY_ISSUER over https", "plain http"},
		},
		"the redirect URI of a client of the console": {
			setup{environ: []string{"OSTIARY_ISSUER=https://sso.example.com/realms/acme", "OSTIARY_PROFILE=keycloak", "OSTIARY_AUDIENCES=api", "OSTIARY_CONSOLE=true", "OSTIARY_CONSOLE_CLIENT_ID=web"}},
			want{"console.redirect_uri", doctor.OK, "", "{origin of the console}/console/callback/sso.example.com-realms-acme"},
		},
		"where a setting comes from": {setup{environ: []string{"OSTIARY_LOG_LEVEL=warn"}}, want{"settings.value", doctor.OK, "", "warn, from OSTIARY_LOG_LEVEL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.setup.timeout = 5e9
			test.want.check(t, test.setup.examine(t))
		})
	}
}

// Nothing that is secret is shown, also where it was put by mistake.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	secrets := []string{
		"sk_live_Zm9ydHlfdHdvX3NlY3JldA", "whsec_bmV2ZXIgdG8gYmUgc2VlbiBpbiBhIGxvZyBvciBlcnJvcg==", "hunter2hunter2", "sk_test_put_there_by_mistake",
		"feed-secret-feed-secret-feed-secret-1", "yaml-secret-yaml-secret", "bm90IGEgdG9rZW4", "proxypassword",
	}
	findings := setup{
		environ: []string{
			"OSTIARY_ISSUER=https://clerk.invalid", "CLERK_SECRET_KEY=" + secrets[0], "CLERK_WEBHOOK_SIGNING_SECRET=" + secrets[1],
			"DATABASE_URL=postgres://ada:" + secrets[2] + "@db.invalid/x?password=" + secrets[2], "CLERK_PUBLISHABLE_KEY=" + secrets[3],
			"OSTIARY_FEED_SECRET=" + secrets[4], "OSTIARY_JWKS_URL=https://ada:" + secrets[7] + "@keys.invalid/",
		},
		yaml:  "signals:\n  - {name: idp, secrets: [" + secrets[5] + "], client_secret: " + secrets[5] + "}\n",
		token: "eyJhbGciOiJub25lIn0." + secrets[6] + ".x",
	}.examine(t)
	var text strings.Builder
	if err := doctor.WriteText(&text, findings, true); err != nil {
		t.Fatal(err)
	}
	if err := doctor.WriteJSON(&text, findings); err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%s is shown:\n%s", secret, text.String())
		}
	}
	for _, shown := range []string{"(set), from CLERK_SECRET_KEY", "(set), from OSTIARY_FEED_SECRET", "postgres://db.invalid/x, from DATABASE_URL", "signals[0].secrets: (set)"} {
		if !strings.Contains(text.String(), shown) {
			t.Errorf("%q is not shown:\n%s", shown, text.String())
		}
	}
}

func TestFaultsComeFirst(t *testing.T) {
	t.Parallel()
	findings := described("http://127.0.0.1:1").examine(t)
	rank := map[doctor.Level]int{doctor.Fault: 0, doctor.Warning: 1, doctor.OK: 2}
	if !slices.IsSortedFunc(findings, func(a, b doctor.Finding) int { return rank[a.Level] - rank[b.Level] }) {
		t.Errorf("%v", findings)
	}
	var text strings.Builder
	if err := doctor.WriteText(&text, findings, false); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(text.String(), "\n")
	if !strings.HasPrefix(first, "1 fault, ") || strings.Contains(text.String(), "\nok  issuers") || !strings.Contains(text.String(), "\nok  store ") {
		t.Error(text.String())
	}
	if strings.Count(text.String(), "\nok  settings ") != 1 {
		t.Error(text.String())
	}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "ok ") && len([]rune(line)) > 170 {
			t.Errorf("too long: %s", line)
		}
	}
}
