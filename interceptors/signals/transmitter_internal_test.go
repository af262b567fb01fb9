package signals

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// tokenIssuer is whose tokens the transmitter speaks of.
const tokenIssuer = "https://idp.example.com"

const sessionRevoked = caepEvents + "session-revoked"

// A nodeTransmitter is the one of testdata/transmitter.mjs, which is a program in another
// language with another library.
type nodeTransmitter struct {
	t    *testing.T
	base string
}

func startTransmitter(t *testing.T) *nodeTransmitter {
	t.Helper()
	cmd := node(t, "transmitter.mjs")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &nodeTransmitter{t, strings.TrimSpace(line)}
}

// control sends the transmitter a command, and reads its answer.
func (n *nodeTransmitter) control(method, path string, body, into any) {
	n.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		n.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(n.t.Context()), method, n.base+"/control/"+path, bytes.NewReader(text))
	if err != nil {
		n.t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if text, err = io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: %d %s %v", path, response.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		n.t.Fatal(err)
	}
}

// emit has the transmitter send an event, and returns its jti.
func (n *nodeTransmitter) emit(event map[string]any) string {
	n.t.Helper()
	var sent struct{ JTI string }
	n.control(http.MethodPost, "emit", event, &sent)
	return sent.JTI
}

// An outcome is what the transmitter got as the answer to an event.
type outcome struct {
	Status int
	Err    string
}

type transmitterState struct {
	Outcomes map[string]outcome
	Attempts map[string]int
	Pending  int
	Status   string
	Stream   struct {
		ID string `json:"stream_id"`
	}
}

func (n *nodeTransmitter) state() (state transmitterState) {
	n.t.Helper()
	n.control(http.MethodGet, "state", nil, &state)
	return state
}

// eventually waits for a condition, for as long as it takes on a slow machine.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatalf("not within 30 seconds: %s", what)
		}
	}
}

// A flakySink fails until it is repaired.
type flakySink struct {
	Sink
	broken atomic.Bool
	failed atomic.Int64
}

func (s *flakySink) Revoke(ctx context.Context, message Message) error {
	if s.broken.Load() {
		s.failed.Add(1)
		return errors.New("the disk is full")
	}
	return s.Sink.Revoke(ctx, message)
}

// A setUp is a receiver that manages its stream at the transmitter.
type setUp struct {
	transmitter *nodeTransmitter
	list        *revocation.List
	sink        *flakySink
	config      SecurityEventsConfig
	stream      *Stream
	streaming   StreamConfig
}

func newSetUp(t *testing.T, pushURL string) *setUp {
	t.Helper()
	s := &setUp{transmitter: startTransmitter(t), list: revocation.New(revocation.Config{})}
	s.sink = &flakySink{Sink: ToList(s.list)}
	found, err := DiscoverTransmitter(t.Context(), nil, s.transmitter.base)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := authclient.ClientCredentials(
		authclient.TokenEndpoint{URL: s.transmitter.base + "/token", ClientID: "receiver", ClientSecret: "s3cret-0123456789"},
		authclient.TokenTarget{Scopes: []string{"ssf.manage"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: found.KeySetURL, Logger: logger, Cooldown: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	s.streaming = StreamConfig{Transmitter: found, TokenSource: tokens, PushURL: pushURL, Logger: logger, VerifyEvery: 2 * time.Second}
	if pushURL != "" {
		s.streaming.PushAuthorization = "Bearer 9f2c-0123456789abcdef"
	}
	if s.stream, err = NewStream(s.streaming); err != nil {
		t.Fatal(err)
	}
	s.config = SecurityEventsConfig{
		Transmitter: found.Issuer, Keys: keys, Stream: s.stream, Issuers: []EventIssuer{{URL: tokenIssuer, SessionsInTokens: true}},
		Sink: s.sink, Logger: logger,
	}
	return s
}

// runStream keeps the stream until the test ends.
func runStream(t *testing.T, s *Stream) {
	t.Helper()
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// exercise has the transmitter send what must be revoked, and what must not.
func (s *setUp) exercise(t *testing.T, status func() Status) {
	t.Helper()
	eventually(t, "the stream is verified", func() bool { return !s.stream.Status().Verified.IsZero() })
	if got := s.stream.Status(); got.Status != "enabled" || got.Stale || got.LastError != "" || got.ID != s.transmitter.state().Stream.ID {
		t.Errorf("the stream: %+v", got)
	}
	revoked := func(id auth.Identity) bool {
		id.Issuer = tokenIssuer
		reason, _ := auth.ReasonOf(s.list.Revoked(&id))
		return reason == auth.TokenRevoked
	}
	user := func(sub string) map[string]any {
		return map[string]any{"format": "iss_sub", "iss": tokenIssuer, "sub": sub}
	}
	issued := time.Now().Add(-time.Minute)

	began := time.Now()
	s.transmitter.emit(map[string]any{"type": sessionRevoked, "event": map[string]any{"reason_admin": map[string]any{"en": "signed out"}}, "sub_id": map[string]any{
		"format": "complex", "user": user("ada"), "session": map[string]any{"format": "opaque", "id": "session_ada"},
	}})
	eventually(t, "a session is revoked", func() bool { return revoked(auth.Identity{SessionID: "session_ada", IssuedAt: issued}) })
	t.Logf("from the event to its effect: %v", time.Since(began))
	if revoked(auth.Identity{Subject: "ada", SessionID: "another", IssuedAt: issued}) {
		t.Error("another session of the user is revoked")
	}

	s.transmitter.control(http.MethodPost, "rotate", nil, &struct{}{})
	s.transmitter.emit(map[string]any{"type": riscEvents + "account-purged", "sub_id": user("bob")})
	eventually(t, "a user is revoked, with the new key", func() bool { return revoked(auth.Identity{Subject: "bob", IssuedAt: time.Now().Add(time.Hour)}) })

	// The sink fails: it comes again until it is in force, and counts once.
	s.sink.broken.Store(true)
	again := s.transmitter.emit(map[string]any{"type": riscEvents + "account-disabled", "sub_id": user("eve")})
	eventually(t, "the sink has failed twice", func() bool { return s.sink.failed.Load() >= 2 })
	if revoked(auth.Identity{Subject: "eve", IssuedAt: issued}) {
		t.Error("it is revoked although it was not stored")
	}
	s.sink.broken.Store(false)
	eventually(t, "it is acknowledged in the end", func() bool { return s.transmitter.state().Outcomes[again].Status == http.StatusAccepted })
	if !revoked(auth.Identity{Subject: "eve", IssuedAt: issued}) {
		t.Error("it is acknowledged and not revoked")
	}
	if got := status(); got.Accepted != 3 || got.Failed < 2 {
		t.Errorf("Status = %+v", got)
	}

	for want, event := range map[string]map[string]any{
		"access_denied":    {"sub_id": map[string]any{"format": "iss_sub", "iss": "https://victim.example.com", "sub": "mallory"}},
		"invalid_audience": {"sub_id": user("mallory"), "change": map[string]any{"aud": "https://other.example.com"}},
		"invalid_issuer":   {"sub_id": user("mallory"), "change": map[string]any{"iss": tokenIssuer}},
		"invalid_request":  {"sub_id": user("mallory"), "change": map[string]any{"exp": 4102444800}},
		"invalid_state":    {"sub_id": map[string]any{"format": "opaque", "id": s.stream.Status().ID}, "type": ssfEvents + "verification", "event": map[string]any{"state": "another"}},
	} {
		if event["type"] == nil {
			event["type"] = sessionRevoked
		}
		id := s.transmitter.emit(event)
		eventually(t, "an event is refused", func() bool { return s.transmitter.state().Outcomes[id].Status == http.StatusBadRequest })
		if got := s.transmitter.state().Outcomes[id].Err; got != want {
			t.Errorf("refused with %q; want %q", got, want)
		}
	}
	if revoked(auth.Identity{Subject: "mallory", IssuedAt: issued}) {
		t.Error("what was refused has revoked something")
	}

	// Another verification is asked for in time, and the stream says when it is paused.
	verified := s.stream.Status().Verified
	eventually(t, "the stream is verified again", func() bool { return s.stream.Status().Verified.After(verified) })
	s.transmitter.emit(map[string]any{"type": ssfEvents + "stream-updated", "sub_id": map[string]any{"format": "opaque", "id": s.stream.Status().ID}, "event": map[string]any{"status": "paused"}})
	eventually(t, "the stream is paused", func() bool { return s.stream.Status().Status == "paused" })
}

func TestEventsOfARealTransmitterThatPushes(t *testing.T) {
	t.Parallel()
	var events atomic.Pointer[Receiver]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { events.Load().ServeHTTP(w, r) }))
	defer server.Close()
	s := newSetUp(t, server.URL+"/signals/idp")
	s.config.Authorizations = []string{s.streaming.PushAuthorization}
	receiver, err := NewSecurityEvents(s.config)
	if err != nil {
		t.Fatal(err)
	}
	events.Store(receiver)
	runStream(t, s.stream)
	s.exercise(t, receiver.Status)
}

func TestEventsOfARealTransmitterThatIsPolled(t *testing.T) {
	t.Parallel()
	s := newSetUp(t, "")
	poller, err := NewPoller(PollConfig{Events: s.config, TokenSource: s.streaming.TokenSource})
	if err != nil {
		t.Fatal(err)
	}
	go poller.Run(t.Context())
	defer func() { _ = poller.Close() }()
	runStream(t, s.stream)
	s.exercise(t, poller.Status)

	// A second start takes the stream of the first, and enables it.
	s.transmitter.control(http.MethodPost, "pause", nil, &struct{}{})
	second, err := NewStream(s.streaming)
	if err != nil {
		t.Fatal(err)
	}
	runStream(t, second)
	eventually(t, "the stream is adopted", func() bool { return second.Status().Status == "enabled" })
	if got := s.transmitter.state(); got.Status != "enabled" || got.Stream.ID != second.Status().ID {
		t.Errorf("the transmitter has %+v; the stream is %+v", got.Stream, second.Status())
	}
}
