package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/signals"
)

// webhookSecret is one as Clerk shows it.
const webhookSecret = "whsec_bmV2ZXIgdG8gYmUgc2VlbiBpbiBhIGxvZyBvciBlcnJvcg=="

// hooks is a source with a table, whose secret is in a file.
func hooks(t *testing.T) SignalSource {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(webhookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return SignalSource{Name: "hooks", SecretsFile: path, Events: []signals.EventMapping{{Event: "session.ended", Session: "data.id"}}}
}

func TestFaultsOfSources(t *testing.T) {
	t.Parallel()
	issuers := []Issuer{{URL: "https://clerk.example.com", Audiences: []string{"api"}}, {URL: "https://sso.example.com", Profile: "keycloak", Audiences: []string{"api"}}, {URL: "https://login.microsoftonline.com/t/v2.0", Profile: "entra", Audiences: []string{"api"}}}
	webhooks := func(edit func(*SignalSource)) SignalSource {
		source := SignalSource{Name: "hooks", Issuer: issuers[1].URL, Secrets: []string{webhookSecret}, Events: []signals.EventMapping{{Event: "a", Session: "b"}}}
		edit(&source)
		return source
	}
	events := func(edit func(*SignalSource)) SignalSource {
		source := SignalSource{Name: "idp", Kind: SignalEvents, Issuer: issuers[1].URL, Audiences: []string{"sp"}}
		edit(&source)
		return source
	}
	for name, test := range map[string]struct {
		source SignalSource
		want   []string
	}{
		"a good table":                       {webhooks(func(*SignalSource) {}), nil},
		"good events":                        {events(func(*SignalSource) {}), nil},
		"a good instance of Clerk":           {SignalSource{Name: "one", Kind: SignalClerk, Issuer: issuers[0].URL, Secrets: []string{webhookSecret}}, nil},
		"no name":                            {webhooks(func(s *SignalSource) { s.Name = "" }), []string{"signals[0].name: is missing"}},
		"a name with a slash":                {webhooks(func(s *SignalSource) { s.Name = "a/b" }), []string{"signals[0].name: is missing, or not"}},
		"the name of logout tokens":          {webhooks(func(s *SignalSource) { s.Name = LogoutSource }), []string{"signals[0].name: backchannel_logout has this name already"}},
		"the name of Clerk's":                {webhooks(func(s *SignalSource) { s.Name = clerkSource }), []string{"signals[0].name: clerk_webhook_secret has this name already"}},
		"a kind that there is not":           {webhooks(func(s *SignalSource) { s.Kind = "saml" }), []string{`signals[0].kind: "saml" is none`}},
		"an issuer whose tokens name no sub": {events(func(s *SignalSource) { s.Issuer = "https://login.microsoftonline.com/t/v2.0" }), []string{"signals[0].issuer: its tokens name their user by another claim than sub"}},
		"no issuer":                          {webhooks(func(s *SignalSource) { s.Issuer = "" }), []string{"signals[0].issuer: missing"}},
		"an issuer that is none":             {events(func(s *SignalSource) { s.Issuer = "https://x.example.com" }), []string{"signals[0].issuer: https://x.example.com is none of the issuers"}},
		"another issuer for Clerk's": {
			SignalSource{Name: "one", Kind: SignalClerk, Issuer: issuers[1].URL, Secrets: []string{webhookSecret}}, []string{"signals[0].issuer: https://sso.example.com is not of Clerk"},
		},
		"no secret, and no event":                 {webhooks(func(s *SignalSource) { s.Secrets, s.Events = nil, nil }), []string{"signals[0]: there is no secret", "signals[0]: there are no events"}},
		"a secret that is none":                   {webhooks(func(s *SignalSource) { s.Secrets = []string{"hunter2"} }), []string{"signals[0]: secret 1 of 1"}},
		"a file of secrets that is not there":     {webhooks(func(s *SignalSource) { s.SecretsFile = "no/secrets" }), []string{"signals[0]: cannot read the secrets"}},
		"events for nobody":                       {events(func(s *SignalSource) { s.Audiences = nil }), []string{"signals[0]: give the Audiences"}},
		"a secret of events that is too short":    {events(func(s *SignalSource) { s.Secrets = []string{"hunter2"} }), []string{"signals[0]: an Authorization is a scheme"}},
		"events that are fetched over plain http": {events(func(s *SignalSource) { s.PollURL = "http://ssf.example.com/poll" }), []string{"signals[0]: the URL of the poll endpoint"}},
		"events that are fetched with a secret of those pushed": {
			events(func(s *SignalSource) { s.PollURL, s.Secrets = "https://ssf.example.com/poll", []string{webhookSecret} }), []string{"signals[0]: secrets are for events that are pushed"},
		},
		"a client that gets no token": {events(func(s *SignalSource) { s.PollURL, s.ClientID = "https://ssf.example.com/poll", "web" }), []string{"signals[0]: client_id and scopes are for a token"}},
		"a client that asks nothing":  {events(func(s *SignalSource) { s.ClientSecret = "hunter2" }), []string{"signals[0]: client_secret and token_url are for a transmitter that is asked"}},
		"two secrets of a client": {
			events(func(s *SignalSource) {
				s.PollURL, s.ClientSecret, s.ClientSecretFile = "https://ssf.example.com/poll", "hunter2", hooks(t).SecretsFile
			}), []string{"signals[0]: there are several client secrets"},
		},
		"a file of the client's secret that is not there": {
			events(func(s *SignalSource) { s.Stream, s.ClientSecretFile = StreamPoll, "no/secret" }), []string{"signals[0]: client_secret_file: cannot read the secrets"},
		},
		"events that are fetched with a client's token": {
			events(func(s *SignalSource) {
				s.PollURL, s.TokenURL, s.ClientID, s.ClientSecret = "https://ssf.example.com/poll", "https://sso.example.com/token", "web", "x"
			}), nil,
		},
		"a good stream that is polled": {events(func(s *SignalSource) {
			s.Stream, s.Audiences, s.Transmitter = StreamPoll, nil, "https://ssf.example.com"
		}), nil},
		"a good stream that is pushed": {
			events(func(s *SignalSource) {
				s.Stream, s.PushURL, s.Audiences, s.Secrets = StreamPush, "https://api.example.com/signals/idp", nil, []string{webhookSecret}
			}), nil,
		},
		"a stream that there is not":      {events(func(s *SignalSource) { s.Stream = "pull" }), []string{`signals[0].stream: "pull" is none; write poll or push`}},
		"a stream that is pushed nowhere": {events(func(s *SignalSource) { s.Stream = StreamPush }), []string{"signals[0].push_url: is missing; say at which URL the transmitter reaches /signals/idp"}},
		"a stream that is pushed over plain http": {
			events(func(s *SignalSource) { s.Stream, s.PushURL = StreamPush, "http://api.example.com/signals/idp" }), []string{"signals[0]: the PushURL must be https"},
		},
		"a push_url without a stream":           {events(func(s *SignalSource) { s.PushURL = "https://api.example.com/signals/idp" }), []string{"signals[0].push_url: is for stream push"}},
		"a push_url of a stream that is polled": {events(func(s *SignalSource) { s.Stream, s.PushURL = StreamPoll, "https://api.example.com" }), []string{"signals[0].push_url: is for stream push"}},
		"a stream with a poll_url":              {events(func(s *SignalSource) { s.Stream, s.PollURL = StreamPoll, "https://ssf.example.com/poll" }), []string{"signals[0].poll_url: the transmitter says where"}},
		"a stream over plain http": {
			events(func(s *SignalSource) { s.Stream, s.Transmitter = StreamPoll, "http://ssf.example.com" }), []string{"signals[0].transmitter: its metadata is fetched from there, so it must begin with https"},
		},
		"a stream that is polled with a secret of those pushed": {
			events(func(s *SignalSource) { s.Stream, s.Secrets = StreamPoll, []string{webhookSecret} }), []string{"signals[0]: secrets are for events that are pushed"},
		},
		"a stream of webhooks":       {webhooks(func(s *SignalSource) { s.Stream = StreamPoll }), []string{"signals[0].stream: means nothing for kind webhooks"}},
		"a transmitter without keys": {events(func(s *SignalSource) { s.Transmitter = "https://ssf.example.com" }), []string{"signals[0].issuer: the transmitter is another"}},
		"keys from plain http":       {events(func(s *SignalSource) { s.JWKSURL = "http://sso.example.com/keys" }), []string{`signals[0].jwks_url: "http://sso.example.com/keys" is plain http`}},
		"settings of other kinds": {
			events(func(s *SignalSource) { s.InstanceID, s.TypePath, s.Signature = "ins_1", "event", "workos" }),
			[]string{"signals[0].instance_id: means nothing for kind security_events", "signals[0].signature: means nothing", "signals[0].type_path: means nothing"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Config{Issuers: issuers, Signals: []SignalSource{test.source}, ClerkWebhookSecret: []string{webhookSecret}}
			config.Issuers = append([]Issuer(nil), issuers...)
			config.Issuers[1].BackChannelLogout.ClientIDs = []string{"web"}
			assertFaults(t, config.Faults(), test.want)
		})
	}
	if got := fmt.Sprintf("%v %+v", webhooks(func(*SignalSource) {}), SignalSource{Name: "a", Secrets: []string{webhookSecret}}); strings.Contains(got, webhookSecret) {
		t.Errorf("a source is shown as %s", got)
	}
}
