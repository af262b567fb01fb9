package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// hooks is a source with a table, whose secret is in a file.
func hooks(t *testing.T) SignalSource {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(webhookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return SignalSource{Name: "hooks", SecretsFile: path, Events: []signals.EventMapping{{Event: "session.ended", Session: "data.id"}}}
}

func TestASourceOfTheSettingsIsHeardAtItsName(t *testing.T) {
	t.Parallel()
	source := hooks(t)
	r := start(t, withOperator, func(c *Config) { c.Signals = []SignalSource{source} })
	cast := r.cast()
	body := sessionEnded("ada-1")
	if status, _, answer := r.send(t, http.MethodPost, "/signals/hooks", signed(time.Now(), "msg_1", body+" "), body); status != http.StatusUnauthorized {
		t.Errorf("what is not signed: %d %s; want 401", status, answer)
	}
	r.wantAdmitted(t, "the session", cast["ada-1"])
	if status, _, answer := r.send(t, http.MethodPost, "/signals/hooks", signed(time.Now(), "msg_1", body), body); status != http.StatusOK {
		t.Fatalf("%d %s; want 200", status, answer)
	}
	r.wantReason(t, "the session", cast["ada-1"], auth.TokenRevoked)
	res, err := r.revocations(t, cast["otto"]).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil || len(res.GetRevocations()) != 1 || res.GetRevocations()[0].GetOrigin().GetSignal().GetSource() != "hooks" {
		t.Errorf("%v, error %v; want one revocation of the source", res, err)
	}
}

// Each of several issuers of Clerk has a path of its own.
func TestTwoInstancesOfClerkAreTwoSources(t *testing.T) {
	t.Parallel()
	second := authtest.Start(t)
	r := start(t, func(c *Config) {
		c.Issuers = append(c.Issuers, Issuer{URL: second.URL(), AllowAnyAudience: true})
		for i, name := range []string{"one", "two"} {
			c.Signals = append(c.Signals, SignalSource{Name: name, Kind: SignalClerk, Issuer: c.Issuers[i].URL, Secrets: []string{webhookSecret}})
		}
	})
	body := sessionEnded("ada-1")
	if status, _, answer := r.send(t, http.MethodPost, "/signals/two", signed(time.Now(), "msg_1", body), body); status != http.StatusOK {
		t.Fatalf("%d %s; want 200", status, answer)
	}
	r.wantAdmitted(t, "the session at the other", r.cast()["ada-1"])
	r.wantReason(t, "the session", second.Session("user_ada", authtest.With("sid", "ada-1"), authtest.ExpiresIn(time.Hour)), auth.TokenRevoked)
}

// securityEvent is one that says that a session is revoked.
func securityEvent(transmitter *authtest.Issuer, issuer, session string) string {
	return transmitter.OIDC("user_ada",
		authtest.Header("typ", "secevent+jwt"), authtest.With("jti", "set_1"), authtest.With("aud", "sp"), authtest.Without("sub"), authtest.Without("exp"), authtest.Without("nbf"),
		authtest.With("sub_id", map[string]any{"format": "complex", "session": map[string]string{"format": "opaque", "id": session}, "user": map[string]string{"format": "iss_sub", "iss": issuer, "sub": "user_ada"}}),
		authtest.With("events", map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{"event_timestamp": time.Now().Unix()}}),
	)
}

func TestSecurityEventsArePushed(t *testing.T) {
	t.Parallel()
	for name, otherKeys := range map[string]bool{"with the keys of the issuer": false, "with the keys of another": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transmitter := authtest.Start(t)
			const secret = "never to be seen in a log"
			r := start(t, withOperator, func(c *Config) {
				source := SignalSource{Name: "idp", Kind: SignalEvents, Audiences: []string{"sp"}, Secrets: []string{secret}, SessionsInTokens: true}
				if otherKeys {
					source.Transmitter, source.JWKSURL = transmitter.URL(), transmitter.JWKSURL()
				}
				c.Signals = []SignalSource{source}
			})
			if !otherKeys {
				transmitter = r.issuer.Issuer
			}
			push := func(event, secret string) (int, string) {
				status, _, answer := r.send(t, http.MethodPost, "/signals/idp", map[string]string{"Content-Type": "application/secevent+jwt", "Authorization": "Bearer " + secret}, event)
				return status, answer
			}
			event := securityEvent(transmitter, r.issuer.URL(), "ada-1")
			token := r.cast()["ada-1"]
			for what, test := range map[string]struct{ event, secret, want string }{
				"with another secret":   {event, "another", "authentication_failed"},
				"of another":            {securityEvent(authtest.New(transmitter.URL()), r.issuer.URL(), "ada-1"), secret, "invalid_key"},
				"that is a bearer's":    {token, secret, "invalid_request"},
				"of another's session":  {securityEvent(transmitter, "https://elsewhere.example.com", "ada-1"), secret, "access_denied"},
				"that is not a message": {"{}", secret, "invalid_request"},
			} {
				status, answer := push(test.event, test.secret)
				var refused struct{ Err string }
				if err := json.Unmarshal([]byte(answer), &refused); err != nil || status != http.StatusBadRequest || !otherKeys && refused.Err != test.want {
					t.Errorf("an event %s: %d %s; want %s", what, status, answer, test.want)
				}
			}
			r.wantAdmitted(t, "the session", token)
			if status, answer := push(event, secret); status != http.StatusAccepted {
				t.Fatalf("%d %s; want 202", status, answer)
			}
			r.wantReason(t, "the session", token, auth.TokenRevoked)
			r.wantAdmitted(t, "another session of the user", r.cast()["ada-2"])
			if strings.Contains(r.log.String(), secret) || strings.Contains(r.log.String(), event) {
				t.Error("the log shows the secret, or the event")
			}
		})
	}
}

// A transmitter whose keys cannot be fetched keeps nobody from calling, and sends again.
func TestATransmitterThatIsAwayHoldsUpNothing(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(away.Close)
	r := start(t, func(c *Config) {
		c.Signals = []SignalSource{{Name: "idp", Kind: SignalEvents, Transmitter: away.URL, JWKSURL: away.URL + "/keys", Audiences: []string{"sp"}}}
	})
	r.wantAdmitted(t, "a call", r.cast()["ada-1"])
	if status, _, body := r.send(t, http.MethodGet, "/readyz", nil, ""); status != http.StatusOK {
		t.Errorf("/readyz: %d %s; want 200", status, body)
	}
	status, header, answer := r.send(t, http.MethodPost, "/signals/idp", map[string]string{"Content-Type": "application/secevent+jwt"}, securityEvent(authtest.New(away.URL), r.issuer.URL(), "ada-1"))
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("%d %s; want 503, and when to send again", status, answer)
	}
	if got := r.readySignals(t)["idp"]; got.Failed != 1 || got.LastError != "it could not be fetched, verified or stored: the log says why" {
		t.Errorf("/readyz says %+v; want one failure without the address of the transmitter", got)
	}
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
		"the name of logout tokens":          {webhooks(func(s *SignalSource) { s.Name = logoutSource }), []string{"signals[0].name: backchannel_logout has this name already"}},
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

// A pollEndpoint gives one event until it is acknowledged.
type pollEndpoint struct {
	event, secret string
	acknowledged  chan struct{}
}

func (p *pollEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Ack []string `json:"ack"`
	}
	if r.Header.Get("Authorization") != "Bearer "+p.secret || json.NewDecoder(r.Body).Decode(&request) != nil {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	sets := map[string]string{"set_1": p.event}
	if len(request.Ack) > 0 {
		sets = map[string]string{}
		select {
		case p.acknowledged <- struct{}{}:
		default:
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"sets": sets})
}

func TestSecurityEventsAreFetched(t *testing.T) {
	t.Parallel()
	idp := authtest.Start(t)
	endpoint := &pollEndpoint{secret: "never to be seen in a log", acknowledged: make(chan struct{}, 1)}
	served := httptest.NewServer(endpoint)
	t.Cleanup(served.Close)
	r := start(t, withOperator, func(c *Config) {
		endpoint.event = securityEvent(idp, c.Issuers[0].URL, "ada-1")
		c.Signals = []SignalSource{{
			Name: "idp", Kind: SignalEvents, Transmitter: idp.URL(), JWKSURL: idp.JWKSURL(), Audiences: []string{"sp"}, SessionsInTokens: true,
			ClientSecret: endpoint.secret, PollURL: served.URL,
		}}
	})
	<-endpoint.acknowledged
	cast := r.cast()
	r.wantReason(t, "the session", cast["ada-1"], auth.TokenRevoked)
	r.wantAdmitted(t, "another session of the user", cast["ada-2"])
	if status, _, _ := r.send(t, http.MethodPost, "/signals/idp", map[string]string{"Content-Type": "application/secevent+jwt"}, endpoint.event); status != http.StatusNotFound {
		t.Errorf("what is pushed is answered %d; want 404", status)
	}
	if got := r.readySignals(t)["idp"]; got.Accepted != 1 || got.LastError != "" {
		t.Errorf("/readyz says %+v", got)
	}
	if strings.Contains(r.log.String(), endpoint.secret) {
		t.Error("the log shows the secret")
	}
	if err := r.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
