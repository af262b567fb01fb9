package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/inbox"
	"github.com/ostiary/ostiary/server/settings"
)

// webhookSecret signs what is sent as Clerk.
const webhookSecret = "whsec_bmV2ZXIgdG8gYmUgc2VlbiBpbiBhIGxvZyBvciBlcnJvcg=="

func withWebhooks(c *settings.Config) { c.ClerkWebhookSecret = []string{webhookSecret} }

func withLogout(c *settings.Config) { c.Issuers[0].BackChannelLogout.ClientIDs = []string{"web"} }

// signed are the headers of a webhook that Clerk sends at a time.
func signed(at time.Time, id, body string) map[string]string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	return map[string]string{
		"Svix-Id": id, "Svix-Timestamp": timestamp, "Svix-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), "Content-Type": "application/json",
	}
}

// sessionEnded is the body of a webhook that says that a session has ended.
func sessionEnded(session string) string {
	now := time.Now().UnixMilli()
	return fmt.Sprintf(`{"object":"event","type":"session.ended","timestamp":%d,"data":{"object":"session","id":%q,"user_id":"user_ada","updated_at":%d}}`, now, session, now)
}

// webhook sends one as Clerk, and returns the status of the answer.
func (r *running) webhook(t *testing.T, id, body string) int {
	t.Helper()
	status, _, _ := r.send(t, http.MethodPost, "/signals/clerk", signed(r.config.WithDefaults().Now(), id, body), body)
	return status
}

// logout sends a logout token, and returns the status of the answer.
func (r *running) logout(t *testing.T, edits ...authtest.Edit) int {
	t.Helper()
	token := r.issuer.OIDC("user_ada", append([]authtest.Edit{
		authtest.Header("typ", "logout+jwt"), authtest.With("jti", "msg_1"), authtest.With("aud", "web"), authtest.With("sid", "ada-1"), authtest.Without("nbf"),
		authtest.ExpiresIn(time.Hour), authtest.With("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
	}, edits...)...)
	header := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	status, _, _ := r.send(t, http.MethodPost, "/signals/backchannel-logout", header, url.Values{"logout_token": {token}}.Encode())
	return status
}

// readySignals is what /readyz says of the sources.
func (r *running) readySignals(t *testing.T) map[string]inbox.State {
	t.Helper()
	_, _, body := r.send(t, http.MethodGet, "/readyz", nil, "")
	var got readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	sources := make(map[string]inbox.State)
	for _, source := range got.Signals {
		sources[source.Source] = source
	}
	return sources
}

func TestWhatAnIssuerSaysHasEndedEndsEverywhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*settings.Config)
		say  func(*testing.T, *running) int
		want *revocationv1.SignalOrigin
	}{
		"by a webhook of Clerk": {
			withWebhooks, func(t *testing.T, r *running) int { t.Helper(); return r.webhook(t, "msg_1", sessionEnded("ada-1")) },
			&revocationv1.SignalOrigin{Source: "clerk", Type: "session.ended", MessageId: "msg_1"},
		},
		"by a logout token": {
			withLogout, func(t *testing.T, r *running) int { t.Helper(); return r.logout(t) },
			&revocationv1.SignalOrigin{Source: "backchannel-logout", Type: "http://schemas.openid.net/event/backchannel-logout", MessageId: "msg_1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator, test.edit)
			other := start(t, func(c *settings.Config) { c.DataDir, c.Issuers = r.config.DataDir, r.config.Issuers })
			other.issuer = r.issuer
			cast := r.cast()
			here, there := r.watch(t, cast["ada-1"]), other.watch(t, cast["ada-1"])
			if got := test.say(t, r); got != http.StatusOK {
				t.Fatalf("status %d; want 200", got)
			}
			for _, streams := range []map[string]watching{here, there} {
				for protocol, stream := range streams {
					_, err := stream.next()
					if reason, _ := reasonOf(err); reason != auth.TokenRevoked {
						t.Errorf("a stream over %s ended with %v; want TOKEN_REVOKED", protocol, err)
					}
				}
			}
			test.say(t, r)
			again := r.again(t, test.edit)
			for _, server := range []*running{again, other} {
				server.wantReason(t, "a token of the session", cast["ada-1"], auth.TokenRevoked)
				server.wantAdmitted(t, "another session of the user", cast["ada-2"])
			}
			if got := test.say(t, again); got != http.StatusOK {
				t.Errorf("sent again after a restart: status %d; want 200", got)
			}
			res, err := again.revocations(t, cast["otto"]).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
			if err != nil || len(res.GetRevocations()) != 1 {
				t.Fatalf("%v, error %v; want one revocation", res, err)
			}
			test.want.Issuer = r.issuer.URL()
			if got := res.GetRevocations()[0].GetOrigin().GetSignal(); got.String() != test.want.String() {
				t.Errorf("its origin is %v; want %v", got, test.want)
			}
			ready := again.readySignals(t)[test.want.GetSource()]
			if ready.Accepted != 1 || ready.LastAccepted.IsZero() || ready.LastError != "" || ready.Issuers[0] != r.issuer.URL() {
				t.Errorf("/readyz says %+v", ready)
			}
		})
	}
}

// Who was removed from an organization goes on in others.
func TestAMemberWhoWasRemovedIsRefusedInTheOrganization(t *testing.T) {
	t.Parallel()
	r := start(t, withWebhooks)
	cast := r.cast()
	now := time.Now().UnixMilli()
	body := fmt.Sprintf(`{"object":"event","type":"organizationMembership.deleted","timestamp":%d,"data":{"object":"organization_membership","id":"orgmem_1",
		"organization":{"id":"org_acme"},"public_user_data":{"user_id":"user_ada"},"updated_at":%d}}`, now, now)
	if got := r.webhook(t, "msg_1", body); got != http.StatusOK {
		t.Fatalf("status %d; want 200", got)
	}
	for _, name := range []string{"at once", "after a restart"} {
		server := r
		if name == "after a restart" {
			server = r.again(t, withWebhooks)
		}
		server.wantReason(t, "her token of the organization, "+name, cast["ada-1"], auth.TokenRevoked)
		server.wantAdmitted(t, "her token of none, "+name, cast["ada-2"])
		server.wantAdmitted(t, "another member, "+name, cast["ben"])
	}
}

// What Clerk has ended is not sent back to it.
func TestASessionThatClerkHasEndedIsNotEndedThereAgain(t *testing.T) {
	t.Parallel()
	clerk := startBackend(t)
	r := start(t, withOperator, withWebhooks, clerk.use)
	cast := r.cast()
	r.seen(t, cast)
	if got := r.webhook(t, "msg_1", sessionEnded("ada-1")); got != http.StatusOK {
		t.Fatalf("status %d; want 200", got)
	}
	if got := r.atIssuer(t, cast["otto"], "ada-1"); got != atIssuerDone {
		t.Errorf("at its issuer: %v; want it done", got)
	}
	if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben")); err != nil {
		t.Fatal(err)
	}
	r.endsAtIssuer(t, cast["otto"], "ben") // which comes after it, if it was asked for
	if n := clerk.count("ada-1"); n != 0 {
		t.Errorf("Clerk was asked %d times to end what it has ended", n)
	}
}

func TestAMessageThatIsNotTheIssuersIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withWebhooks, withLogout, func(c *settings.Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
	token := r.cast()["ada-1"]
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	body := sessionEnded("ada-1")
	other := signed(time.Now(), "msg_1", sessionEnded("ada-2"))
	fromPage := signed(time.Now(), "msg_1", body+" ")
	fromPage["Origin"] = "https://app.example.com"
	authorized := map[string]string{"Authorization": "Bearer " + token}
	for name, test := range map[string]struct {
		method, path string
		header       map[string]string
		body         string
		want         int
	}{
		"a webhook that is not signed":                        {http.MethodPost, "/signals/clerk", nil, body, http.StatusUnauthorized},
		"a webhook with the signature of another":             {http.MethodPost, "/signals/clerk", other, body, http.StatusUnauthorized},
		"a webhook that was signed long ago":                  {http.MethodPost, "/signals/clerk", signed(time.Now().Add(-time.Hour), "msg_1", body), body, http.StatusUnauthorized},
		"a webhook with a token instead":                      {http.MethodPost, "/signals/clerk", authorized, body, http.StatusUnauthorized},
		"a webhook from a page":                               {http.MethodPost, "/signals/clerk", fromPage, body, http.StatusUnauthorized},
		"a webhook that is too long":                          {http.MethodPost, "/signals/clerk", signed(time.Now(), "msg_1", body), strings.Repeat(" ", 256<<10+1), http.StatusRequestEntityTooLarge},
		"an access token instead of a logout token":           {http.MethodPost, "/signals/backchannel-logout", form, url.Values{"logout_token": {token}}.Encode(), http.StatusBadRequest},
		"a form without one":                                  {http.MethodPost, "/signals/backchannel-logout", form, "", http.StatusBadRequest},
		"a question":                                          {http.MethodGet, "/signals/clerk", nil, "", http.StatusMethodNotAllowed},
		"a question of a page":                                {http.MethodOptions, "/signals/clerk", map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}, "", http.StatusMethodNotAllowed},
		"a source that there is not":                          {http.MethodPost, "/signals/okta", nil, body, http.StatusNotFound},
		"a source that is spelt otherwise":                    {http.MethodPost, "/signals//clerk", signed(time.Now(), "msg_1", body), body, http.StatusNotFound},
		"a source with more behind":                           {http.MethodPost, "/signals/clerk/", signed(time.Now(), "msg_1", body), body, http.StatusNotFound},
		"the path of all":                                     {http.MethodPost, "/signals/", signed(time.Now(), "msg_1", body), body, http.StatusNotFound},
		"a webhook that is refused by its content, not a bug": {http.MethodPost, "/signals/clerk", signed(time.Now(), "msg_1", "{}"), "{}", http.StatusBadRequest},
	} {
		status, header, answer := r.send(t, test.method, test.path, test.header, test.body)
		if status != test.want {
			t.Errorf("%s: %d %s; want %d", name, status, answer, test.want)
		}
		if got := header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: a page may read the answer, by Access-Control-Allow-Origin: %s", name, got)
		}
		if got := header.Get("WWW-Authenticate"); got != "" {
			t.Errorf("%s: a guard has refused it: %s", name, got)
		}
	}
	r.wantAdmitted(t, "the session", token)
	ready := r.readySignals(t)
	for _, source := range []string{"clerk", "backchannel-logout"} {
		if got := ready[source]; got.Refused == 0 || got.LastRefused.IsZero() || got.LastError == "" || got.Accepted != 0 {
			t.Errorf("/readyz says %+v of %s", got, source)
		}
	}
	if log := r.log.String(); strings.Contains(log, webhookSecret) || strings.Contains(log, token) || !strings.Contains(log, "a message of an issuer is refused") {
		t.Error("the log shows a secret, or does not say that a message was refused")
	}
}

// While nothing can be kept, the sender is asked to send again.
func TestAMessageIsNotAcknowledgedWhileNothingCanBeKept(t *testing.T) {
	t.Parallel()
	r := start(t, withWebhooks)
	token := r.cast()["ada-1"]
	r.database(t, `CREATE TRIGGER full BEFORE INSERT ON revocations BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`)
	body := sessionEnded("ada-1")
	status, header, _ := r.send(t, http.MethodPost, "/signals/clerk", signed(time.Now(), "msg_1", body), body)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q; want 503", status, header.Get("Retry-After"))
	}
	r.wantAdmitted(t, "the session", token)
	if got := r.readySignals(t)["clerk"]; got.Failed != 1 || got.Accepted != 0 || strings.Contains(got.LastError, "disk") {
		t.Errorf("/readyz says %+v", got)
	}
	r.database(t, `DROP TRIGGER full`)
	if got := r.webhook(t, "msg_1", body); got != http.StatusOK {
		t.Errorf("sent again: status %d; want 200", got)
	}
	r.wantReason(t, "the session", token, auth.TokenRevoked)
}

func TestMessagesOfIssuersCanHaveAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := start(t, withWebhooks, func(c *settings.Config) { c.SignalsAddr = "127.0.0.1:0" })
	body := sessionEnded("ada-1")
	if status, _, _ := r.send(t, http.MethodPost, "/signals/clerk", signed(time.Now(), "msg_1", body), body); status != http.StatusNotFound {
		t.Errorf("at the address of calls: status %d; want 404", status)
	}
	api := r.url
	r.url = "http://" + r.SignalsAddr().String()
	for path, want := range map[string]int{"/readyz": http.StatusNotFound, "/ostiary.identity.v1.IdentityService/WhoAmI": http.StatusNotFound, "/": http.StatusNotFound} {
		if status, _, _ := r.send(t, http.MethodPost, path, nil, ""); status != want {
			t.Errorf("%s at the address of messages: status %d; want %d", path, status, want)
		}
	}
	if got := r.webhook(t, "msg_1", body); got != http.StatusOK {
		t.Errorf("status %d; want 200", got)
	}
	r.url = api
	r.wantReason(t, "the session", r.cast()["ada-1"], auth.TokenRevoked)
}

func TestEverySourceHasAState(t *testing.T) {
	t.Parallel()
	r := start(t, withWebhooks, withLogout)
	for name, state := range r.readySignals(t) {
		if want := (inbox.State{Source: name, Issuers: []string{r.issuer.URL()}}); fmt.Sprint(state) != fmt.Sprint(want) {
			t.Errorf("before the first message /readyz says %+v", state)
		}
		if !contains(r.log, "messages of an issuer are received", "path=/signals/"+name) {
			t.Errorf("the log does not name %s", name)
		}
	}
	if n := len(r.readySignals(t)); n != 2 {
		t.Errorf("%d sources; want 2", n)
	}
}
