package server

import (
	"encoding/json"
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
	"github.com/ostiary/ostiary/server/settings"
)

// hooks is a source with a table, whose secret is in a file.
func hooks(t *testing.T) settings.SignalSource {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(webhookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return settings.SignalSource{Name: "hooks", SecretsFile: path, Events: []signals.EventMapping{{Event: "session.ended", Session: "data.id"}}}
}

func TestASourceOfTheSettingsIsHeardAtItsName(t *testing.T) {
	t.Parallel()
	source := hooks(t)
	r := start(t, withOperator, func(c *settings.Config) { c.Signals = []settings.SignalSource{source} })
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
	r := start(t, func(c *settings.Config) {
		c.Issuers = append(c.Issuers, settings.Issuer{URL: second.URL(), AllowAnyAudience: true})
		for i, name := range []string{"one", "two"} {
			c.Signals = append(c.Signals, settings.SignalSource{Name: name, Kind: settings.SignalClerk, Issuer: c.Issuers[i].URL, Secrets: []string{webhookSecret}})
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
			r := start(t, withOperator, func(c *settings.Config) {
				source := settings.SignalSource{Name: "idp", Kind: settings.SignalEvents, Audiences: []string{"sp"}, Secrets: []string{secret}, SessionsInTokens: true}
				if otherKeys {
					source.Transmitter, source.JWKSURL = transmitter.URL(), transmitter.JWKSURL()
				}
				c.Signals = []settings.SignalSource{source}
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
	r := start(t, func(c *settings.Config) {
		c.Signals = []settings.SignalSource{{Name: "idp", Kind: settings.SignalEvents, Transmitter: away.URL, JWKSURL: away.URL + "/keys", Audiences: []string{"sp"}}}
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
	r := start(t, withOperator, func(c *settings.Config) {
		endpoint.event = securityEvent(idp, c.Issuers[0].URL, "ada-1")
		c.Signals = []settings.SignalSource{{
			Name: "idp", Kind: settings.SignalEvents, Transmitter: idp.URL(), JWKSURL: idp.JWKSURL(), Audiences: []string{"sp"}, SessionsInTokens: true,
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
