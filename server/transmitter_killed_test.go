package server

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// Of a server that is killed while it sends events: its database, its issuer, and its URL
// as receivers know it.
const (
	killedDatabase = "OSTIARY_TEST_KILLED_DATABASE"
	killedIssuer   = "OSTIARY_TEST_KILLED_ISSUER"
	killedURL      = "OSTIARY_TEST_KILLED_URL"
)

// sendUntilKilled serves, and says where.
func sendUntilKilled() {
	ctx := context.Background()
	config := settings.Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone, DatabaseURL: os.Getenv(killedDatabase),
		Issuers: []settings.Issuer{{URL: os.Getenv(killedIssuer), AllowAnyAudience: true}}, Logger: slog.New(slog.DiscardHandler),
		SignalsTransmitterURL: os.Getenv(killedURL), AllowPrivateReceivers: true,
	}
	withFeed(&config)
	srv, err := New(ctx, config)
	if err == nil {
		fmt.Fprintln(os.Stdout, srv.HTTPAddr())
		err = srv.Run(ctx)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A countingReceiver takes events, and stops in the middle of one where it is told to.
type countingReceiver struct {
	mu      sync.Mutex
	taken   map[string]map[string]int // by session, how often each jti
	stopAt  int
	stopped chan struct{} // closed when it stops
	goOn    chan struct{} // closed to go on
}

func (c *countingReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender is gone
	}
	var claims struct {
		ID      string `json:"jti"`
		Subject struct {
			Session struct{ ID string }
		} `json:"sub_id"`
	}
	parts := strings.Split(string(body), ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	_ = json.Unmarshal(payload, &claims)
	c.mu.Lock()
	if c.taken[claims.Subject.Session.ID] == nil {
		c.taken[claims.Subject.Session.ID] = make(map[string]int)
	}
	c.taken[claims.Subject.Session.ID][claims.ID]++
	sessions := len(c.taken)
	if sessions == c.stopAt {
		c.stopAt = 0
		close(c.stopped)
	}
	stopped := c.stopAt == 0
	c.mu.Unlock()
	if stopped {
		<-c.goOn
	}
	w.WriteHeader(http.StatusAccepted)
}

func (c *countingReceiver) sessions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.taken)
}

// Another server sends what one that was killed had begun to send, and the rest.
func TestEventsArriveAlsoIfTheServerThatSendsThemIsKilled(t *testing.T) {
	t.Parallel()
	const sessions = 100
	receiver := &countingReceiver{taken: make(map[string]map[string]int), stopAt: 30, stopped: make(chan struct{}), goOn: make(chan struct{})}
	service := httptest.NewServer(receiver)
	defer service.Close()
	one := start(t, withTransmitter, func(c *settings.Config) { c.DatabaseURL = pgtest.NewDatabase(t) })
	body := fmt.Sprintf(`{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": %q}}`, service.URL)
	if status, _, answered := one.send(t, http.MethodPost, "/ssf/stream", map[string]string{"Authorization": "Bearer " + secretOfFeed}, body); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answered)
	}
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}

	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), killedDatabase+"="+one.config.DatabaseURL, killedIssuer+"="+one.issuer.URL(), killedURL+"="+one.config.SignalsTransmitterURL)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() {
		t.Fatal("the server does not start")
	}
	killed := &running{Server: one.Server, url: "http://" + said.Text(), issuer: one.issuer}
	var all []*revocationv1.NewRevocation
	for i := range sessions {
		all = append(all, one.ofSession(fmt.Sprint("sess_", i)))
	}
	if _, err := killed.revocations(t, one.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: all}); err != nil {
		t.Fatal(err)
	}
	<-receiver.stopped
	_ = process.Process.Kill() // SIGKILL
	_ = process.Wait()
	close(receiver.goOn)
	if n := receiver.sessions(); n == sessions {
		t.Fatalf("all %d events had arrived before", n)
	}

	start(t, withFeed, func(c *settings.Config) {
		c.DatabaseURL, c.Issuers, c.SignalsTransmitterURL, c.AllowPrivateReceivers = one.config.DatabaseURL, one.config.Issuers, one.config.SignalsTransmitterURL, true
		c.Now = func() time.Time { return time.Now().Add(time.Minute) } // when the claim of the other has ended
	})
	eventually(t, "every event has arrived", func() bool { return receiver.sessions() == sessions })
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	again := 0
	for session, ids := range receiver.taken {
		if len(ids) != 1 {
			t.Errorf("%s has the events %v; want the same one when it comes again", session, ids)
		}
		for _, n := range ids {
			again += n - 1
		}
	}
	if again == 0 {
		t.Error("nothing came again, so nothing was interrupted")
	}
}
