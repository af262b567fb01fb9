package feed

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer = "https://clerk.example.com"
	secret = "the-secret-to-follow-with"
)

// A hub answers followers over HTTP/2, on connections in memory: so the clock of a bubble
// moves only while nothing is on its way. Its positions are "epoch:number".
type hub struct {
	feedv1connect.UnimplementedFeedServiceHandler

	url         string
	connections chan net.Conn
	heartbeat   time.Duration // default: a second

	mu       sync.Mutex
	epoch    string
	changes  []*feedv1.Change
	refusal  error                              // of every request
	ending   error                              // of the next stream that ends
	edit     func(*feedv1.WatchChangesResponse) // what is sent
	paused   bool                               // nothing is sent
	down     bool                               // and cannot be dialled
	instead  http.HandlerFunc                   // answers requests
	news     chan struct{}                      // closed when the above changes
	protocol string                             // that was last spoken
	requests []*feedv1.WatchChangesRequest
	tokens   []string
	open     []*cuttable

	reports       []*feedv1.ReportRequest
	confirmed     []string
	decisions     []*decisionv1.Decision
	reportRefusal error // of every report
	rejects       int64 // sessions of every report
}

func (h *hub) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	close(h.news)
	h.news = make(chan struct{})
}

func (h *hub) revoke(sessions ...string) {
	h.set(func() {
		for _, id := range sessions {
			h.changes = append(h.changes, revoked(session(id)))
		}
	})
}

// end ends the stream of whichever hub has one.
func end(f *fleet, err error) {
	for _, h := range f.hubs {
		h.set(func() {
			if len(h.requests) > 0 {
				h.ending = err
			}
		})
	}
}

// kill ends all connections, as a process does that dies.
func (h *hub) kill() {
	h.set(func() {
		h.down = true
		for _, c := range h.open {
			_ = c.Close()
		}
	})
}

func (h *hub) revive() { h.set(func() { h.down = false }) }

func (h *hub) asked() (positions []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.requests {
		positions = append(positions, r.GetResumeToken())
	}
	return positions
}

func (h *hub) WatchChanges(ctx context.Context, req *feedv1.WatchChangesRequest, stream *connect.ServerStream[feedv1.WatchChangesResponse]) error {
	start := time.Now()
	h.mu.Lock()
	h.requests = append(h.requests, req)
	refusal, epoch := h.refusal, h.epoch
	h.mu.Unlock()
	if refusal != nil {
		return refusal
	}
	at := 0
	if token := req.GetResumeToken(); token != "" {
		given, number, _ := strings.Cut(token, ":")
		if given != epoch {
			return refuse(connect.CodeFailedPrecondition, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
		}
		at, _ = strconv.Atoi(number)
	}
	heartbeat := time.NewTicker(cmp.Or(h.heartbeat, time.Second))
	defer heartbeat.Stop()
	for {
		h.mu.Lock()
		batch := h.changes[at:min(at+1000, len(h.changes))]
		at += len(batch)
		more, news, edit, ending, paused := at < len(h.changes), h.news, h.edit, h.ending, h.paused
		h.ending = nil
		h.mu.Unlock()
		message := &feedv1.WatchChangesResponse{
			Changes:           batch,
			ResumeToken:       epoch + ":" + strconv.Itoa(at),
			HeartbeatInterval: durationpb.New(cmp.Or(h.heartbeat, time.Second)),
			Retention:         durationpb.New(revocation.DefaultRetention),
			HubTime:           timestamppb.Now(),
		}
		if !more {
			message.CompleteThrough = durationpb.New(time.Since(start))
		}
		if edit != nil {
			edit(message)
		}
		if paused {
			at -= len(batch)
		}
		switch {
		case errors.Is(ending, errDone):
			return nil
		case ending != nil:
			return ending
		case !paused:
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-heartbeat.C:
		}
	}
}

// errDone ends a stream without an error.
var errDone = errors.New("done")

// refuse returns the error of a hub's guard.
func refuse(code connect.Code, reason errorv1.Reason) error {
	err := connect.NewError(code, errors.New("refused"))
	detail, _ := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: strings.TrimPrefix(reason.String(), "REASON_"), Domain: auth.ErrorDomain})
	err.AddDetail(detail)
	return err
}

func (h *hub) Accept() (net.Conn, error) {
	c, ok := <-h.connections
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (h *hub) Close() error   { return nil }
func (h *hub) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// cuttable is a hub's end of a connection, which a test can cut after some more bytes.
type cuttable struct {
	net.Conn

	mu   sync.Mutex
	left int // bytes to send until it is cut; negative: it is not
}

func (c *cuttable) Write(p []byte) (int, error) {
	c.mu.Lock()
	left := c.left
	if left >= 0 {
		c.left = max(left-len(p), 0)
	}
	c.mu.Unlock()
	if left >= 0 && left < len(p) {
		n, _ := c.Conn.Write(p[:left])
		_ = c.Close()
		return n, syscall.ECONNRESET
	}
	return c.Conn.Write(p)
}

// A fleet is some hubs with a client that reaches them.
type fleet struct {
	hubs   []*hub
	client *http.Client
	log    bytes.Buffer
	limits []time.Duration // of each delay that was drawn
	source authclient.TokenSource
	now    func() reading

	mu sync.Mutex // guards limits and log
}

func (f *fleet) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

// text is all that was logged.
func (f *fleet) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func (f *fleet) logged(line string) int { return strings.Count(f.text(), line) }

// newFleet starts n hubs, which stop with the test.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{source: authclient.StaticToken(secret), now: systemClock()}
	byAddress := make(map[string]*hub)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	for i := range n {
		address := fmt.Sprintf("127.0.0.%d:80", i+1)
		h := &hub{url: "http://" + address, connections: make(chan net.Conn), epoch: "e1", news: make(chan struct{})}
		byAddress[address] = h
		byAddress[fmt.Sprintf("hub-%d.internal:80", i+1)] = h
		f.hubs = append(f.hubs, h)
		_, handler := feedv1connect.NewFeedServiceHandler(h)
		server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.mu.Lock()
			h.tokens = append(h.tokens, r.Header.Get("Authorization"))
			instead := h.instead
			h.mu.Unlock()
			if instead != nil {
				instead(w, r)
				return
			}
			if r.ProtoMajor != 2 {
				t.Errorf("the follower speaks %s", r.Proto)
			}
			handler.ServeHTTP(w, r)
		})}
		go func() { _ = server.Serve(h) }()
		t.Cleanup(func() {
			close(h.connections)
			_ = server.Close()
		})
	}
	f.client = &http.Client{Transport: &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		h := byAddress[address]
		h.mu.Lock()
		down := h.down
		h.mu.Unlock()
		if down {
			return nil, syscall.ECONNREFUSED
		}
		client, server := net.Pipe()
		c := &cuttable{Conn: server, left: -1}
		h.mu.Lock()
		h.open = append(h.open, c)
		h.mu.Unlock()
		select {
		case h.connections <- c:
			return client, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}}
	t.Cleanup(func() {
		if strings.Contains(f.text(), secret) {
			t.Error("the log shows the secret")
		}
	})
	return f
}

// follow starts a follower that ends with the test. It draws half of each delay.
func (f *fleet) follow(t *testing.T, change ...func(*Config)) *Follower {
	t.Helper()
	config := Config{TokenSource: f.source, Service: "billing", Transport: f.client.Transport, Logger: slog.New(slog.NewTextHandler(f, nil))}
	for _, h := range f.hubs {
		config.Hubs = append(config.Hubs, h.url)
	}
	for _, c := range change {
		c(&config)
	}
	follower, err := follow(config, func() reading { return f.now() }, func(limit time.Duration) time.Duration {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.limits = append(f.limits, limit)
		return limit / 2
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = follower.Close() })
	return follower
}

// inBubble runs a test with hubs and a follower that has had the time to catch up.
func inBubble(t *testing.T, hubs int, test func(t *testing.T, fleet *fleet, follower *Follower), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet(t, hubs)
		follower := fleet.follow(t, change...)
		synctest.Wait()
		test(t, fleet, follower)
	})
}

// pass lets time pass, and what it causes happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func revoked(target *revocationv1.Target) *feedv1.Change {
	return &feedv1.Change{Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{
		RevocationId: "r", Target: target, ExpireTime: timestamppb.New(time.Now().Add(revocation.DefaultRetention)),
	}}}
}

func session(id string) *revocationv1.Target {
	return &revocationv1.Target{Target: &revocationv1.Target_Session{Session: &revocationv1.SessionRef{
		Issuer: issuer, SessionId: id, Owner: &revocationv1.SessionRef_AnySubject{AnySubject: &revocationv1.AnySubject{}},
	}}}
}

// grant is a change that a follower does not know.
func grant() *feedv1.Change {
	return revoked(&revocationv1.Target{Target: &revocationv1.Target_Grant{
		Grant: &revocationv1.GrantRef{Issuer: issuer, ClientId: "client_1", Subject: "user_ada"},
	}})
}

func assertRevoked(t *testing.T, f *Follower, sessions ...string) {
	t.Helper()
	for _, id := range sessions {
		assertReason(t, f, id, auth.TokenRevoked)
	}
}

func assertReason(t *testing.T, f *Follower, session string, want auth.Reason) {
	t.Helper()
	err := f.Revoked(&auth.Identity{Issuer: issuer, Subject: "user_ada", SessionID: session, IssuedAt: time.Now()})
	if got, refused := auth.ReasonOf(err); !refused || got != want {
		t.Errorf("session %s: %v; want %v", session, err, want)
	}
}

func assertAdmitted(t *testing.T, f *Follower, sessions ...string) {
	t.Helper()
	for _, id := range sessions {
		if err := f.Revoked(&auth.Identity{Issuer: issuer, Subject: "user_ada", SessionID: id, IssuedAt: time.Now()}); err != nil {
			t.Errorf("session %s: %v; want it admitted", id, err)
		}
	}
}

type feedMessage = feedv1.WatchChangesResponse

// freshTokens notes for each token whether a fresh one was wanted.
type freshTokens struct{ fresh []bool }

func (s *freshTokens) Token(ctx context.Context) (string, error) {
	s.fresh = append(s.fresh, authclient.FreshTokenWanted(ctx))
	return secret, nil
}
