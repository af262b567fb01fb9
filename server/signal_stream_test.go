package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/testprogram"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// A nodeTransmitter is one in another language, with a JOSE library of another make.
type nodeTransmitter struct {
	t   *testing.T
	url string
}

// The client that the transmitter knows.
const nodeClient, nodeSecret = "receiver", "s3cret-0123456789"

// startNodeTransmitter skips the test where Node or its packages are missing; but in CI
// nothing may be missing.
func startNodeTransmitter(t *testing.T) *nodeTransmitter {
	t.Helper()
	folder := filepath.Join("..", "interceptors", "signals", "testdata")
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(folder, "node_modules"))
	}
	if err != nil {
		testprogram.Missing(t, "no transmitter of another make was tested: install Node 20.19 or later, and run make test, or npm ci in interceptors/signals/testdata")
	}
	process := exec.CommandContext(context.WithoutCancel(t.Context()), node, "transmitter.mjs")
	process.Dir = folder
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
	t.Cleanup(func() {
		_ = input.Close()
		_ = process.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &nodeTransmitter{t, strings.TrimSpace(line)}
}

// ends has the transmitter send that a session is over.
func (n *nodeTransmitter) ends(issuer, session string) {
	n.t.Helper()
	body, err := json.Marshal(map[string]any{
		"type":   "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
		"sub_id": map[string]any{"format": "complex", "session": map[string]string{"format": "opaque", "id": session}, "user": map[string]string{"format": "iss_sub", "iss": issuer, "sub": "user_ada"}},
		"event":  map[string]any{"event_timestamp": time.Now().Unix()},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.url+"/control/emit", bytes.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	response, err := new(http.Client).Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		n.t.Fatalf("the transmitter answered %s", response.Status)
	}
}

// withStream has the server keep a stream of the source idp, delivered as asked.
func withStream(delivery string, source settings.SignalSource) func(*settings.Config) {
	return func(c *settings.Config) {
		source.Name, source.Kind, source.Stream = "idp", settings.SignalEvents, delivery
		if delivery == settings.StreamPush && source.PushURL == "" {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			c.HTTPListener, source.PushURL = listener, "http://"+listener.Addr().String()+"/signals/idp"
		}
		if delivery == settings.StreamPush {
			source.Secrets = []string{"of what is pushed, and in no log"}
		}
		c.Signals = []settings.SignalSource{source}
	}
}

// verified waits until a verification event has come through the stream.
func (r *running) verified(t *testing.T) {
	t.Helper()
	eventually(t, "the stream is verified", func() bool {
		stream := r.readySignals(t)["idp"].Stream
		return stream != nil && !stream.Verified.IsZero()
	})
}

// refuses waits until a session is refused.
func (r *running) refuses(t *testing.T, token string) {
	t.Helper()
	client := r.identityClient(t, token)
	eventually(t, "the session is refused", func() bool {
		_, err := client.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
		reason, _ := reasonOf(err)
		return reason == auth.TokenRevoked
	})
}

// wantWell wants the stream to work, no event to have been refused, and no secret in the log.
func (r *running) wantWell(t *testing.T) {
	t.Helper()
	if got := r.readySignals(t)["idp"]; got.Refused != 0 || got.Stream.ID == "" || got.Stream.Status != "enabled" || got.Stream.Stale || got.Stream.Failing {
		t.Errorf("/readyz says %+v, and of the stream %+v", got, got.Stream)
	}
	for _, secret := range []string{nodeSecret, secretOfFeed, "of what is pushed", "Bearer"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func TestAStreamIsKeptAtATransmitterOfAnotherMake(t *testing.T) {
	t.Parallel()
	for _, delivery := range []string{settings.StreamPush, settings.StreamPoll} {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			node := startNodeTransmitter(t)
			r := start(t, withStream(delivery, settings.SignalSource{
				Transmitter: node.url, TokenURL: node.url + "/token", ClientID: nodeClient, ClientSecret: nodeSecret, Scopes: []string{"ssf.manage"},
			}))
			r.verified(t)
			cast := r.cast()
			r.wantAdmitted(t, "the session", cast["ada-1"])
			node.ends(r.issuer.URL(), "ada-1")
			r.refuses(t, cast["ada-1"])
			r.wantAdmitted(t, "another session of the user", cast["ada-2"])
			r.wantWell(t)
			if err := r.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
		})
	}
}

// A server follows another by security events alone.
func TestAServerKeepsAStreamAtAnother(t *testing.T) {
	t.Parallel()
	for _, delivery := range []string{settings.StreamPush, settings.StreamPoll} {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			sender := start(t, withTransmitter)
			sender.sees(t, "ada-1")
			r := start(t, func(c *settings.Config) { c.Issuers = sender.config.Issuers },
				withStream(delivery, settings.SignalSource{Transmitter: sender.url, ClientSecret: secretOfFeed}))
			r.issuer = sender.issuer
			r.verified(t)
			cast := r.cast()
			r.wantAdmitted(t, "the session", cast["ada-1"])
			sender.revoke(t, "ada-1")
			r.refuses(t, cast["ada-1"])
			r.wantAdmitted(t, "another session of the user", cast["ada-2"])
			r.wantWell(t)
			for _, server := range []*running{r, sender} {
				if err := server.stop(); err != nil {
					t.Errorf("stopping: %v", err)
				}
			}
		})
	}
}

// Two servers that share a database share the stream. What one has asked for is sent to the
// other.
func TestServersOnOneDatabaseKeepOneStream(t *testing.T) {
	t.Parallel()
	sender := start(t, withTransmitter)
	var turn atomic.Int64
	var servers [2]atomic.Pointer[url.URL]
	// The balancer sends every other event to the other server.
	balancer := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			if to := servers[turn.Add(1)%2].Load(); to != nil {
				p.SetURL(to)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(balancer.Close)
	database := pgtest.NewDatabase(t)
	var both [2]*running
	for i := range both {
		both[i] = start(t, func(c *settings.Config) { c.DatabaseURL, c.Issuers = database, sender.config.Issuers },
			withStream(settings.StreamPush, settings.SignalSource{Transmitter: sender.url, ClientSecret: secretOfFeed, PushURL: balancer.URL + "/signals/idp"}))
		both[i].issuer = sender.issuer
		to, err := url.Parse(both[i].url)
		if err != nil {
			t.Fatal(err)
		}
		servers[i].Store(to)
	}
	for _, r := range both {
		eventually(t, "the server knows the stream", func() bool { return r.readySignals(t)["idp"].Stream.Status == "enabled" })
	}
	tokens := make(map[string]string)
	for _, session := range []string{"one", "two", "three", "four"} {
		sender.sees(t, session)
		tokens[session] = sender.issuer.Session("user_ada", authtest.With("sid", session))
		sender.revoke(t, session)
	}
	for _, r := range both {
		for _, token := range tokens {
			r.refuses(t, token)
		}
	}
	eventually(t, "a verification event has come", func() bool {
		return !both[0].readySignals(t)["idp"].Stream.Verified.IsZero() || !both[1].readySignals(t)["idp"].Stream.Verified.IsZero()
	})
	for _, r := range both {
		r.wantWell(t)
	}
	_, _, body := sender.send(t, http.MethodGet, "/ssf/stream", map[string]string{"Authorization": "Bearer " + secretOfFeed}, "")
	var streams []struct{ Description string }
	if err := json.Unmarshal([]byte(body), &streams); err != nil || len(streams) != 1 || streams[0].Description != "ostiary idp" {
		t.Errorf("the transmitter has %s; want one stream, named after the source", body)
	}
}

// A transmitter that is away at the start keeps nobody from calling, and is asked again.
func TestATransmitterThatComesLate(t *testing.T) {
	t.Parallel()
	var transmitter atomic.Pointer[httputil.ReverseProxy] // nil while it is away
	address := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if proxy := transmitter.Load(); proxy != nil {
			proxy.ServeHTTP(w, r)
			return
		}
		http.Error(w, "away", http.StatusServiceUnavailable)
	}))
	t.Cleanup(address.Close)
	sender := start(t, withTransmitter, func(c *settings.Config) { c.SignalsTransmitterURL = address.URL })
	to, err := url.Parse(sender.url)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *settings.Config) { c.Issuers = sender.config.Issuers }, withStream(settings.StreamPush, settings.SignalSource{Transmitter: address.URL, ClientSecret: secretOfFeed}))
	r.issuer = sender.issuer
	eventually(t, "/readyz says that the transmitter is away", func() bool { return r.readySignals(t)["idp"].Stream.Failing })
	r.wantAdmitted(t, "a call", r.cast()["ada-1"])
	status, header, answer := r.send(t, http.MethodPost, "/signals/idp", map[string]string{"Content-Type": "application/secevent+jwt"}, "an event")
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("%d %s; want 503, and when to send again", status, answer)
	}
	transmitter.Store(httputil.NewSingleHostReverseProxy(to))
	r.verified(t)
	r.wantWell(t)
	if status, _, answer := r.send(t, http.MethodPost, "/signals/idp", map[string]string{"Content-Type": "application/secevent+jwt"}, "an event"); status != http.StatusBadRequest || !strings.Contains(answer, "authentication_failed") {
		t.Errorf("without the secret: %d %s; want 400", status, answer)
	}
}

// A server that is stopped, or never run, while its transmitter is away leaves nothing behind.
func TestAServerStopsWhileItsTransmitterIsAway(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	away := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}))
	t.Cleanup(away.Close)
	r := start(t, withStream(settings.StreamPoll, settings.SignalSource{Transmitter: away.URL}))
	<-asked
	if err := r.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	unused, err := New(t.Context(), settings.Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DataDir: t.TempDir(), Issuers: r.config.Issuers, Signals: r.config.Signals, Logger: r.config.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := unused.Close(); err != nil {
		t.Error(err)
	}
}
