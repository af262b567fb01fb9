package settings

import (
	"reflect"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/server"
)

func TestBackChannelLogoutIsAListOfClientsOrSaysMore(t *testing.T) {
	t.Parallel()
	const issuer = "issuers:\n  - url: https://sso.example.com\n    profile: keycloak\n    audiences: [api]\n    backchannel_logout: "
	const setting = "issuers[0].backchannel_logout in FILE: "
	for name, test := range map[string]struct {
		written string
		want    server.BackChannelLogout
		fault   string
	}{
		"a map":                     {"{client_ids: [web, app]}", server.BackChannelLogout{ClientIDs: []string{"web", "app"}}, ""},
		"a map with a text":         {"{client_ids: web, sessions_in_tokens: true}", server.BackChannelLogout{ClientIDs: []string{"web"}, SessionsInTokens: true}, ""},
		"a list":                    {"[web]", server.BackChannelLogout{ClientIDs: []string{"web"}}, ""},
		"a text":                    {"web, app", server.BackChannelLogout{ClientIDs: []string{"web", "app"}}, ""},
		"a map without clients":     {"{sessions_in_tokens: false}", server.BackChannelLogout{}, setting + "no client is named; write {client_ids: [web]}"},
		"an empty map":              {"{}", server.BackChannelLogout{}, setting + "no client is named; write {client_ids: [web]}"},
		"a map without a value":     {"{client_ids: }", server.BackChannelLogout{}, setting + "client_ids: not a list of strings; write [one, two]"},
		"a map with something else": {"{client_id: web}", server.BackChannelLogout{}, setting + "client_id: unknown setting; write client_ids, and sessions_in_tokens if need be"},
		"a number":                  {"1", server.BackChannelLogout{}, setting + "not a list of strings; write [one, two]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, faults := sources{file: issuer + test.written + "\n"}.read(t, All())
			var want []string
			if test.fault != "" {
				want = []string{test.fault}
			}
			if !slices.Equal(faults, want) {
				t.Errorf("faults %q; want %q", faults, want)
			}
			if got := loaded.Server.Issuers[0].BackChannelLogout; test.fault == "" && !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v; want %+v", got, test.want)
			}
		})
	}
}

func TestTheSigningSecretHasClerksName(t *testing.T) {
	t.Parallel()
	const secret = "whsec_bmV2ZXIgdG8gYmUgc2VlbiBpbiBhIGxvZyBvciBlcnJvcg=="
	environ := []string{"OSTIARY_ISSUER=https://clerk.example.com", "OSTIARY_AUDIENCES=api", "CLERK_WEBHOOK_SIGNING_SECRET=" + secret}
	loaded, faults := sources{environ: environ}.read(t, All())
	if got := loaded.Server.ClerkWebhookSecret; len(faults) > 0 || !slices.Equal(got, []string{secret}) {
		t.Errorf("%q, faults %q", got, faults)
	}
	environ[0] = "OSTIARY_ISSUER=https://example.eu.auth0.com/"
	_, faults = sources{environ: environ}.read(t, All())
	if want := "CLERK_WEBHOOK_SIGNING_SECRET: does not say of which issuer it is: 0 are of Clerk; give the issuer, or where there are several, list each of them in signals of the YAML file, with its own secret_file"; !slices.Equal(faults, []string{want}) {
		t.Errorf("faults %q; want %q", faults, want)
	}
}
