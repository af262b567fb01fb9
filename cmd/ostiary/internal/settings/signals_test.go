package settings

import (
	"reflect"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/settings"
)

func TestBackChannelLogoutIsAListOfClientsOrSaysMore(t *testing.T) {
	t.Parallel()
	const issuer = "issuers:\n  - url: https://sso.example.com\n    profile: keycloak\n    audiences: [api]\n    backchannel_logout: "
	const setting = "issuers[0].backchannel_logout in FILE: "
	for name, test := range map[string]struct {
		written string
		want    settings.BackChannelLogout
		fault   string
	}{
		"a map":                     {"{client_ids: [web, app]}", settings.BackChannelLogout{ClientIDs: []string{"web", "app"}}, ""},
		"a map with a text":         {"{client_ids: web, sessions_in_tokens: true}", settings.BackChannelLogout{ClientIDs: []string{"web"}, SessionsInTokens: true}, ""},
		"a list":                    {"[web]", settings.BackChannelLogout{ClientIDs: []string{"web"}}, ""},
		"a text":                    {"web, app", settings.BackChannelLogout{ClientIDs: []string{"web", "app"}}, ""},
		"a map without clients":     {"{sessions_in_tokens: false}", settings.BackChannelLogout{}, setting + "no client is named; write {client_ids: [web]}"},
		"an empty map":              {"{}", settings.BackChannelLogout{}, setting + "no client is named; write {client_ids: [web]}"},
		"a map without a value":     {"{client_ids: }", settings.BackChannelLogout{}, setting + "client_ids: not a list of strings; write [one, two]"},
		"a map with something else": {"{client_id: web}", settings.BackChannelLogout{}, setting + "client_id: unknown setting; write client_ids, and sessions_in_tokens if need be"},
		"a number":                  {"1", settings.BackChannelLogout{}, setting + "not a list of strings; write [one, two]"},
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
	if want := "CLERK_WEBHOOK_SIGNING_SECRET: does not say of which issuer it is: 0 are of Clerk; give the issuer, or where there are several, list each of them under signals in the YAML file, with its own secrets_file"; !slices.Equal(faults, []string{want}) {
		t.Errorf("faults %q; want %q", faults, want)
	}
}

func TestSourcesAreRead(t *testing.T) {
	t.Parallel()
	const file = `issuers: [{url: https://sso.example.com, profile: okta, audiences: [api]}]
signals:
  - name: hooks
    secrets: [0123456789abcdef]
    signature: header
    header: X-Secret
    type_path: event
    id_path: id
    time_path: at
    events:
      - {event: ended, where: {data.count: 1, data.on: true, data.kind: user}, session: data.id, subject: data.user}
      - {event: deleted, subject: data.id, all_tokens: true}
      - {event: left, subject: data.user, organization: data.org}
      - {event: burnt, token: data.jti}
      - {event: retired, client: data.client}
  - {name: okta, kind: security_events, jwks_url: https://sso.example.com/keys, audiences: [sp], algorithms: [RS256], critical_members: [tenant], credential_types: [password], allow_untyped: true, sessions_in_tokens: true, transmitter: https://ssf.example.com, poll_url: https://ssf.example.com/poll, token_url: https://sso.example.com/token, client_id: web, client_secret_file: /nowhere/secret, scopes: [ssf.read]}
  - {name: risk, kind: security_events, stream: push, push_url: https://api.example.com/signals/risk, client_secret: x, secrets: [0123456789abcdef]}
`
	loaded, faults := sources{file: file}.read(t, All())
	if want := []string{"signals[1] in FILE: client_secret_file: cannot read the secrets: open /nowhere/secret: no such file or directory"}; !slices.Equal(faults, want) {
		t.Fatalf("faults %q; want %q", faults, want)
	}
	want := []settings.SignalSource{
		{
			Name: "hooks", Secrets: []string{"0123456789abcdef"}, Signature: "header", Header: "X-Secret", TypePath: "event", IDPath: "id", TimePath: "at",
			Events: []signals.EventMapping{
				{Event: "ended", Where: map[string]string{"data.count": "1", "data.on": "true", "data.kind": "user"}, Session: "data.id", Subject: "data.user"},
				{Event: "deleted", Subject: "data.id", AllTokens: true},
				{Event: "left", Subject: "data.user", Organization: "data.org"},
				{Event: "burnt", Token: "data.jti"},
				{Event: "retired", Client: "data.client"},
			},
		},
		{
			Name: "okta", Kind: "security_events", JWKSURL: "https://sso.example.com/keys", Audiences: []string{"sp"}, Algorithms: []string{"RS256"},
			CriticalMembers: []string{"tenant"}, CredentialTypes: []string{"password"}, AllowUntyped: true, SessionsInTokens: true, Transmitter: "https://ssf.example.com",
			PollURL: "https://ssf.example.com/poll", TokenURL: "https://sso.example.com/token", ClientID: "web", ClientSecretFile: "/nowhere/secret", Scopes: []string{"ssf.read"},
		},
		{Name: "risk", Kind: "security_events", Stream: "push", PushURL: "https://api.example.com/signals/risk", ClientSecret: "x", Secrets: []string{"0123456789abcdef"}},
	}
	if got := loaded.Server.Signals; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
}

func TestEachSettingOfASourceSetsItsField(t *testing.T) {
	t.Parallel()
	values := map[string]any{"text": "a", "list": []any{"a"}, "bool": true}
	set := make(map[string]bool)
	for _, s := range signalTable() {
		value := values[s.format.name]
		if s.key == "events" {
			value = []any{map[string]any{"event": "a"}}
		}
		var source settings.SignalSource
		if err := s.format.set(&source, value); err != nil {
			t.Errorf("%s: %v", s.key, err)
		}
		changed := nonZero("", reflect.ValueOf(source))
		if len(changed) != 1 || set[changed[0]] {
			t.Errorf("%s sets %q", s.key, changed)
			continue
		}
		set[changed[0]] = true
	}
	if fields := reflect.TypeFor[settings.SignalSource]().NumField(); len(set) != fields {
		t.Errorf("%d of %d fields can be set", len(set), fields)
	}
}

func TestFaultsOfSourcesNameThem(t *testing.T) {
	t.Parallel()
	const issuer = "issuers: [{url: https://sso.example.com, profile: okta, audiences: [api]}]\n"
	for name, test := range map[string]struct {
		written string
		faults  []string
	}{
		"no list":             {"signals: {name: a}", []string{"signals in FILE: not a list; start each source with a dash"}},
		"no source":           {"signals: [okta]", []string{"signals[0] in FILE: not a source; write name: and its other settings"}},
		"an unknown setting":  {"signals: [{name: a, secret: x, secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw], events: [{event: a, subject: b}]}]", []string{"signals[0].secret in FILE: unknown setting; did you mean secrets?"}},
		"events that are one": {"signals: [{name: a, secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw], events: {event: a}}]", []string{"signals[0].events in FILE: not a list; write [{event: session.revoked, session: data.id}]"}},
		"an event with an unknown setting": {
			"signals: [{name: a, secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw], events: [{event: a, user: b}]}]",
			[]string{"signals[0].events in FILE: event 1: unknown setting user; write one of [event where session subject organization token client all_tokens]"},
		},
		"everything that the server finds": {
			"signals: [{name: Okta}, {name: a, kind: saml}, {name: a, secrets: [hunter2], type_path: a..b, instance_id: ins_1}]",
			[]string{
				"signals[0].name in FILE: is missing, or not 1 to 64 lower-case letters, digits, hyphens and underscores; it is part of the path that messages are sent to, such as workos",
				`signals[1].kind in FILE: "saml" is none; write clerk, webhooks or security_events`,
				"signals[2].name in FILE: signals[1] has this name already; choose another",
				"signals[2].instance_id in FILE: means nothing for kind webhooks; remove it",
				"signals[2] in FILE: secret 1 of 1: it is not base64; give it as the sender shows it",
				`signals[2] in FILE: the path "a..b" has an empty name in it`,
				"signals[2] in FILE: there are no events; say what revokes something",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, faults := (sources{file: issuer + test.written + "\n"}).read(t, All()); !slices.Equal(faults, test.faults) {
				t.Errorf("faults %q; want %q", faults, test.faults)
			}
		})
	}
}
