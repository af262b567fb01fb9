package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/internal/testprogram"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/internal/transmitter"
	"github.com/ostiary/ostiary/server/settings"
)

// withTransmitter has receivers know the server by its address.
func withTransmitter(c *settings.Config) {
	withFeed(c)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c.HTTPListener, c.SignalsTransmitterURL, c.AllowPrivateReceivers = listener, "http://"+listener.Addr().String(), true
}

// A nodeReceiver is a receiver in another language, with a JOSE library of another make.
type nodeReceiver struct {
	mu    sync.Mutex
	lines []string
}

// receive starts a receiver that has events pushed, or polls. It skips the test where Node
// or the receiver's packages are missing; but in CI nothing may be missing.
func (r *running) receive(t *testing.T, method, token string) *nodeReceiver {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testprogram.Missing(t, "no receiver of another make was tested: install Node 20.19 or later")
	}
	if _, err := os.Stat(filepath.Join("testdata", "node_modules")); err != nil {
		testprogram.Missing(t, "no receiver of another make was tested: run make test, or npm ci in server/testdata")
	}
	process := exec.CommandContext(context.WithoutCancel(t.Context()), node, "receiver.mjs", method, r.config.SignalsTransmitterURL, token)
	process.Dir = "testdata"
	var faults strings.Builder
	process.Stderr = &faults
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	receiver := new(nodeReceiver)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			receiver.mu.Lock()
			receiver.lines = append(receiver.lines, lines.Text())
			receiver.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = input.Close()
		<-read
		if err := process.Wait(); err != nil {
			t.Errorf("the receiver: %v\n%s", err, &faults)
		}
	})
	return receiver
}

// has reports whether a line was printed.
func (n *nodeReceiver) has(line string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, printed := range n.lines {
		if printed == line {
			return true
		}
	}
	return false
}

// all returns what was printed.
func (n *nodeReceiver) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

func (n *nodeReceiver) got(t *testing.T, line string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the receiver printed:\n%s", n.all())
		}
	}()
	eventually(t, "the receiver prints "+line, func() bool { return n.has(line) })
}

func (r *running) sessionEvent(id string) string {
	return fmt.Sprintf(`{"kind":"session-revoked","subject":{"format":"complex","session":{"format":"opaque","id":%q},"tenant":{"format":"opaque","id":%q}}}`, id, r.issuer.URL())
}

func TestAReceiverOfAnotherMakeGetsWhatIsRevoked(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"push", "poll"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := start(t, withTransmitter)
			receiver := r.receive(t, method, secretOfFeed)
			eventually(t, "the stream is verified", func() bool { return strings.Contains(receiver.all(), `{"kind":"verification"`) })
			for i := range 12 {
				r.revoke(t, fmt.Sprint("sess_", i))
			}
			for i := range 12 {
				receiver.got(t, r.sessionEvent(fmt.Sprint("sess_", i)))
			}
			if _, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSubject(t.Context(), r.subjectReq("user_ben")); err != nil {
				t.Fatal(err)
			}
			receiver.got(t, fmt.Sprintf(`{"kind":"session-revoked","subject":{"format":"iss_sub","iss":%q,"sub":"user_ben"}}`, r.issuer.URL()))
			if printed := receiver.all(); strings.Count(printed, "\n") != 13 || strings.Contains(printed, "error") {
				t.Errorf("the receiver printed:\n%s", printed)
			}
			if log := r.log.String(); strings.Contains(log, secretOfFeed) || strings.Contains(log, "Bearer") {
				t.Error("the log has a secret")
			}
		})
	}
}

// While one of two servers stops, the other goes on.
func TestServersOnOneDatabaseSendTogether(t *testing.T) {
	t.Parallel()
	one := start(t, withTransmitter, func(c *settings.Config) { c.DatabaseURL = pgtest.NewDatabase(t) })
	other := start(t, withFeed, func(c *settings.Config) {
		c.DatabaseURL, c.Issuers, c.SignalsTransmitterURL, c.AllowPrivateReceivers = one.config.DatabaseURL, one.config.Issuers, one.config.SignalsTransmitterURL, true
	})
	other.issuer = one.issuer
	receiver := one.receive(t, "push", secretOfFeed)
	eventually(t, "the stream is verified", func() bool { return strings.Contains(receiver.all(), `{"kind":"verification"`) })
	for i := range 5 {
		one.revoke(t, fmt.Sprint("one_", i))
		other.revoke(t, fmt.Sprint("other_", i))
	}
	for i := range 5 {
		receiver.got(t, one.sessionEvent(fmt.Sprint("one_", i)))
		receiver.got(t, one.sessionEvent(fmt.Sprint("other_", i)))
	}
	if err := one.stop(); err != nil {
		t.Error(err)
	}
	other.revoke(t, "after it")
	receiver.got(t, one.sessionEvent("after it"))
}

// A service that the library receives events for, by a stream that it makes itself.
func TestAServiceRefusesWhatIsRevokedByTheEventsAlone(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"push", "poll"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := start(t, withTransmitter)
			r.sees(t, "sess_1")
			stream, list := r.receiveByLibrary(t, method)
			eventually(t, "the stream is verified", func() bool { return !stream.Status().Verified.IsZero() })
			r.revoke(t, "sess_1")
			id := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ada", SessionID: "sess_1"}
			eventually(t, "the session is refused", func() bool {
				reason, _ := auth.ReasonOf(list.Revoked(id))
				return reason == auth.TokenRevoked
			})
		})
	}
}

// receiveByLibrary has events revoke what is on a list.
func (r *running) receiveByLibrary(t *testing.T, method string) (*signals.Stream, *revocation.List) {
	t.Helper()
	found, err := signals.DiscoverTransmitter(t.Context(), nil, r.url)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: found.KeySetURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	const authorization = "Bearer 0123456789abcdef"
	list := revocation.New(revocation.Config{})
	var handler atomic.Pointer[signals.Receiver]
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { handler.Load().ServeHTTP(w, req) }))
	t.Cleanup(service.Close)
	config := signals.StreamConfig{Transmitter: found, TokenSource: authclient.StaticToken(secretOfFeed)}
	events := signals.SecurityEventsConfig{Transmitter: r.url, Keys: keys, Issuers: []signals.EventIssuer{{URL: r.issuer.URL()}}, Sink: signals.ToList(list)}
	if method == "push" {
		config.PushURL, config.PushAuthorization, events.Authorizations = service.URL, authorization, []string{authorization}
	}
	stream, err := signals.NewStream(config)
	if err != nil {
		t.Fatal(err)
	}
	events.Stream = stream
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	if method == "push" {
		receiver, err := signals.NewSecurityEvents(events)
		if err != nil {
			t.Fatal(err)
		}
		handler.Store(receiver)
	} else {
		poller, err := signals.NewPoller(signals.PollConfig{Events: events, TokenSource: config.TokenSource})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { poller.Run(ctx) })
		t.Cleanup(func() { _ = poller.Close() })
	}
	running.Go(func() { stream.Run(ctx) })
	return stream, list
}

// sees has the server see a session of Ada.
func (r *running) sees(t *testing.T, session string) {
	t.Helper()
	ada := r.issuer.Session("user_ada", authtest.With("sid", session))
	if _, err := r.identityClient(t, ada).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session was seen", func() bool {
		_, err := r.sessions(t, r.issuer.Session("user_otto")).GetSession(t.Context(), r.getReq(session))
		return err == nil
	})
}

func TestWhoMayHaveAStream(t *testing.T) {
	t.Parallel()
	r := start(t, withTransmitter)
	machine := func(permission string) string {
		return r.issuer.Machine("mch_1", authtest.With("scopes", permission), authtest.ExpiresIn(time.Hour))
	}
	for name, tt := range map[string]struct {
		token  string
		reason string // "" for none
	}{
		"nobody":                             {"", "TOKEN_MISSING"},
		"a holder of a secret":               {secretOfFeed, ""},
		"a holder of something like it":      {secretOfFeed + "0", "TOKEN_MALFORMED"},
		"a machine with the permission":      {machine(feedPermission), ""},
		"a machine without it":               {machine("feed"), "PERMISSION_REQUIRED"},
		"an operator":                        {r.issuer.Session("user_otto"), "PERMISSION_REQUIRED"},
		"a user who has the permission":      {r.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "member", feedPermission)), "PERMISSION_REQUIRED"},
		"an application with the permission": {r.issuer.OAuth("user_ada", authtest.With("scope", feedPermission)), "PERMISSION_REQUIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"GET /ssf/stream", "POST /ssf/stream", "PATCH /ssf/stream", "PUT /ssf/stream", "DELETE /ssf/stream", "GET /ssf/status", "POST /ssf/status", "POST /ssf/verify", "POST /ssf/poll/1"} {
				method, path, _ := strings.Cut(path, " ")
				header := map[string]string{}
				if tt.token != "" {
					header["Authorization"] = "Bearer " + tt.token
				}
				status, _, body := r.send(t, method, path, header, "[]")
				refused := status == http.StatusUnauthorized || status == http.StatusForbidden
				if refused != (tt.reason != "") || !strings.Contains(body, fmt.Sprintf("%q", tt.reason)) && refused {
					t.Errorf("%s %s: %d %.120s; want %s", method, path, status, body, tt.reason)
				}
			}
		})
	}
	for _, path := range []string{transmitter.MetadataPath, "/ssf/jwks.json"} {
		if status, _, body := r.send(t, http.MethodGet, path, nil, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s; want it for everybody", path, status, body)
		}
	}
}

// Those who have a secret share their streams, since secrets are changed. A machine has its
// own.
func TestStreamsAreOfWhoMakesThem(t *testing.T) {
	t.Parallel()
	r := start(t, withTransmitter)
	call := func(token, method, body string) string {
		t.Helper()
		_, _, answered := r.send(t, method, "/ssf/stream", map[string]string{"Authorization": "Bearer " + token}, body)
		return answered
	}
	machine := func(name string) string {
		return r.issuer.Machine(name, authtest.With("scopes", feedPermission), authtest.ExpiresIn(time.Hour))
	}
	call(secretOfFeed, http.MethodPost, `{"description": "of a secret"}`)
	call(machine("mch_1"), http.MethodPost, `{"description": "of machine 1"}`)
	for token, want := range map[string]string{
		strings.Repeat("old-", 8): "of a secret",
		secretOfFeed:              "of a secret",
		machine("mch_1"):          "of machine 1",
		machine("mch_2"):          "",
	} {
		var streams []struct {
			Description string `json:"description"`
		}
		if err := json.Unmarshal([]byte(call(token, http.MethodGet, "")), &streams); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range streams {
			got += s.Description
		}
		if got != want {
			t.Errorf("%.20s sees %q; want %q", token, got, want)
		}
	}
}

func TestTheLogSaysWhatReceiversAskFor(t *testing.T) {
	t.Parallel()
	r := start(t, withTransmitter)
	header := map[string]string{"Authorization": "Bearer " + secretOfFeed}
	r.send(t, http.MethodGet, "/ssf/stream", header, "")
	r.send(t, http.MethodPost, "/ssf/stream", nil, "{}")
	r.send(t, http.MethodPost, "/ssf/poll/unknown", header, "{}")
	for _, want := range []string{
		`level=INFO msg=call procedure="GET /ssf/stream" protocol=http peer=* code=ok`,
		`level=INFO msg=call procedure="POST /ssf/stream" protocol=http peer=* code=unauthenticated`,
		`level=DEBUG msg=call procedure="POST /ssf/poll/{stream}" protocol=http peer=* code=http_404`,
	} {
		before, after, _ := strings.Cut(want, "*")
		eventually(t, "the log has "+want, func() bool {
			for line := range strings.Lines(r.log.String()) {
				if strings.Contains(line, before) && strings.Contains(line, after) {
					return true
				}
			}
			return false
		})
	}
}

func TestTheReadinessSaysHowStreamsAre(t *testing.T) {
	t.Parallel()
	r := start(t, withTransmitter)
	if _, _, body := r.send(t, http.MethodGet, "/readyz", nil, ""); !strings.Contains(body, `"signals_transmitter":{"streams":0,"failing":0,"paused":0,"missed":0,"refused":0,"lag_seconds":0}`) {
		t.Error(body)
	}
}

func TestNoEventsAreSentByDefault(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	for _, path := range []string{transmitter.MetadataPath, "/ssf/jwks.json", "/ssf/stream"} {
		if status, _, _ := r.send(t, http.MethodGet, path, map[string]string{"Authorization": "Bearer " + secretOfFeed}, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d; want 404", path, status)
		}
	}
	if _, _, body := r.send(t, http.MethodGet, "/readyz", nil, ""); strings.Contains(body, "transmitter") {
		t.Error(body)
	}
}

// A poll that waits does not keep the server from stopping.
func TestAServerStopsWhileAReceiverPolls(t *testing.T) {
	t.Parallel()
	r := start(t, withTransmitter)
	header := map[string]string{"Authorization": "Bearer " + secretOfFeed}
	_, _, created := r.send(t, http.MethodPost, "/ssf/stream", header, `{}`)
	var stream struct {
		ID string `json:"stream_id"`
	}
	if err := json.Unmarshal([]byte(created), &stream); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/ssf/poll/"+stream.ID, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", header["Authorization"])
	polled := make(chan string, 1)
	client := httpClient(t, false)
	go func() {
		res, err := client.Do(req)
		if err != nil {
			polled <- err.Error()
			return
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		polled <- string(body)
	}()
	eventually(t, "the receiver waits", func() bool { return r.transmitter.Waiting() == 1 })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := <-polled; strings.TrimSpace(got) != `{"sets":{}}` {
		t.Errorf("the poll was answered %q", got)
	}
}
