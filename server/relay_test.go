package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	feedclient "github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/settings"
)

// An address is one at which a server is, or another later, or none.
type address struct {
	*httptest.Server

	server atomic.Pointer[running]
}

func newAddress(t *testing.T, r *running) *address {
	t.Helper()
	a := new(address)
	a.server.Store(r)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		server := a.server.Load()
		if server == nil {
			panic(http.ErrAbortHandler)
		}
		server.http.Handler.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

// kill cuts the server off, as if its process was killed.
func (a *address) kill() {
	a.server.Store(nil)
	a.CloseClientConnections()
}

// startRelay starts a relay of hubs, whose issuer is trusted by it too, and waits until it
// has caught up.
func startRelay(t *testing.T, hub *running, urls []string, edits ...func(*settings.Config)) *running {
	t.Helper()
	r := startUnready(t, hub, urls, edits...)
	if err := r.relay.Follower().WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func startUnready(t *testing.T, hub *running, urls []string, edits ...func(*settings.Config)) *running {
	t.Helper()
	r := start(t, append([]func(*settings.Config){withFeed, func(c *settings.Config) {
		c.DataDir = "/nonexistent" // none is needed
		c.Issuers = hub.config.Issuers
		c.Follow = settings.Follow{Hubs: urls, Secret: secretOfFeed}
	}}, edits...)...)
	r.issuer = hub.issuer
	return r
}

// What is revoked at the hub is refused by a relay and by what follows that, also by way of
// another relay.
func TestARelayPassesRevocationsOn(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	hub.revoke(t, "before")
	near := startRelay(t, hub, []string{hub.url})
	far := startRelay(t, hub, []string{near.url})
	var services []*service
	for _, r := range []*running{near, far} {
		s := followHubs(t, []*running{r})
		s.caughtUp(t)
		services = append(services, s)
	}
	hub.revoke(t, "after")
	for i, s := range services {
		s.until(t, "before", "after")
		if got := s.reason("other"); got != "" {
			t.Errorf("service %d: another session is refused with %s", i, got)
		}
		if got := s.Status(); !got.Ready || got.Stale || got.Age > 10*time.Second {
			t.Errorf("service %d: Status = %+v", i, got)
		}
	}
	for protocol, tr := range far.transports() {
		if got, _ := feedUntil(t, protocol, tr.follow(t, secretOfFeed, ""), 2); !slices.Equal(got, []string{"before", "after"}) {
			t.Errorf("%s: %q", protocol, got)
		}
		res, err := tr.feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower()})
		if err != nil || !slices.Equal(sessionsOf(res.GetChanges()), []string{"before", "after"}) || res.GetMore() || res.GetCompleteThrough() == nil {
			t.Errorf("%s: %v, %v", protocol, res, err)
		}
	}
}

// A relay refuses revoked tokens itself, ends its streams, and sends who lists sessions or
// revokes to the hub.
func TestARelayAnswersForItself(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	relay := startRelay(t, hub, []string{hub.url})
	token := hub.issuer.Session("user_ada", authtest.With("sid", "sess_1"))
	relay.wantAdmitted(t, "before", token)
	hub.revoke(t, "sess_1")
	eventually(t, "the token is refused", func() bool {
		_, err := relay.native(t.Context(), t, token)
		reason, _ := reasonOf(err)
		return reason == auth.TokenRevoked
	})
	otto := hub.issuer.Session("user_otto")
	for protocol, tr := range relay.transports() {
		sessions := tr.sessions(t, otto)
		_, list := sessions.ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
		_, revoke := relay.revocations(t, otto).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{})
		watch := func() error {
			stream, err := sessions.WatchSessions(t.Context(), &sessionv1.WatchSessionsRequest{})
			if err != nil {
				return err
			}
			defer stream.Close() //nolint:errcheck // it has ended
			stream.Receive()
			return stream.Err()
		}()
		watchRevocations := func() error {
			stream, err := relay.revocations(t, otto).WatchRevocations(t.Context(), &revocationv1.WatchRevocationsRequest{})
			if err != nil {
				return err
			}
			defer stream.Close() //nolint:errcheck // it has ended
			stream.Receive()
			return stream.Err()
		}()
		for what, err := range map[string]error{"list": list, "revoke": revoke, "watch": watch, "watch revocations": watchRevocations} {
			if connect.CodeOf(err) != connect.CodeUnimplemented || !strings.Contains(err.Error(), "ask the hub") {
				t.Errorf("%s, %s: %v; want that the hub is to be asked", protocol, what, err)
			}
		}
		_, err := tr.sessions(t, "").ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
		if reason, _ := reasonOf(err); reason != auth.TokenMissing {
			t.Errorf("%s, without a token: %v; want %v", protocol, err, auth.TokenMissing)
		}
	}
	eventually(t, "it is ready", func() bool { code, _ := relay.readyz(t); return code == http.StatusOK })
	if _, got := relay.readyz(t); got.Relay == nil || !got.Relay.Ready || got.Relay.Stale || got.Database != nil {
		t.Errorf("/readyz answers %+v", got)
	}
}

// A relay that has not reached a hub is not ready, and refuses followers rather than to tell
// them that nothing is revoked. So does one that follows itself.
func TestARelayWithoutAHubIsNotReady(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	itself := newAddress(t, nil)
	for name, url := range map[string]string{"no feed": hub.issuer.URL(), "itself": itself.URL} {
		relay := startUnready(t, hub, []string{url})
		itself.server.Store(relay)
		eventually(t, "the hub has failed", func() bool { return relay.relay.Follower().Status().LastError != "" })
		if code, got := relay.readyz(t); code != http.StatusServiceUnavailable || got.Relay.Ready {
			t.Errorf("%s: /readyz answers %d, %+v", name, code, got)
		}
		_, err := relay.transports()["gRPC"].feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower()})
		if reason, _ := reasonOf(err); reason != auth.RevocationsStale {
			t.Errorf("%s: a follower gets %v; want %v", name, err, auth.RevocationsStale)
		}
	}
}

// The hub dies and comes back: the relay and its followers keep what they have, know how old
// it is, and go on.
func TestARelayOutlivesItsHub(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	at := newAddress(t, hub)
	relay := startRelay(t, hub, []string{at.URL})
	s := followHubs(t, []*running{relay})
	s.caughtUp(t)
	hub.revoke(t, "before")
	s.until(t, "before")
	at.kill()
	eventually(t, "the relay has lost it", func() bool { return relay.relay.Follower().Status().Hub == "" })
	hub = hub.again(t, withFeed)
	hub.revoke(t, "meanwhile")

	stream := relay.transports()["gRPC"].follow(t, secretOfFeed, "")
	got, _ := feedUntil(t, "without the hub", stream, 1)
	through := stream.Msg().GetCompleteThrough().AsDuration()
	if !stream.Receive() || !slices.Equal(got, []string{"before"}) {
		t.Fatalf("%q, %v; want what was known before", got, stream.Err())
	}
	if next := stream.Msg().GetCompleteThrough().AsDuration(); next-through > 500*time.Millisecond { // a heartbeat is a second
		t.Errorf("complete through %s, and %s a second later; want it to stand still", through, next)
	}
	if got := s.reason("meanwhile"); got != "" {
		t.Errorf("what the relay cannot know is refused with %s", got)
	}
	at.server.Store(hub)
	s.until(t, "meanwhile")
	if got, _ := feedUntil(t, "with the hub", stream, 1); !slices.Equal(got, []string{"meanwhile"}) {
		t.Errorf("a stream goes on with %q; want what has changed", got)
	}
	for stream.Msg().GetCompleteThrough().AsDuration() <= through+time.Second {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
	}
}

// Followers move between a relay and its hub with their positions.
func TestPositionsAreThoseOfTheHub(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	hub.revoke(t, "a", "b")
	atHub := hub.transports()["gRPC"]
	feedUntil(t, "at the hub", atHub.follow(t, secretOfFeed, ""), 2) // so that the relay gets both at once
	relay := startRelay(t, hub, []string{hub.url})
	atRelay := relay.transports()["gRPC"]
	stream := atRelay.follow(t, secretOfFeed, "")
	_, position1 := feedUntil(t, "at the relay", stream, 2)
	hub.revoke(t, "c")
	feedUntil(t, "at the relay", stream, 1)
	if got, _ := feedUntil(t, "on at the hub", atHub.follow(t, secretOfFeed, position1), 1); !slices.Equal(got, []string{"c"}) {
		t.Errorf("on at the hub: %q; want c", got)
	}
	_, position2 := feedUntil(t, "at the hub", atHub.follow(t, secretOfFeed, ""), 3)
	hub.revoke(t, "d")
	if got, _ := feedUntil(t, "on at the relay", atRelay.follow(t, secretOfFeed, position2), 1); !slices.Equal(got, []string{"d"}) {
		t.Errorf("on at the relay: %q; want d", got)
	}

	// The relay has got a and b in one message, so it has no position between them.
	res, err := hub.transports()["Connect"].feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower(), PageSize: 1})
	if err != nil || !res.GetMore() {
		t.Fatalf("%v, %v", res, err)
	}
	if got, _ := feedUntil(t, "from within a message", atRelay.follow(t, secretOfFeed, res.GetResumeToken()), 4); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("from within a message: %q; want the message whole", got)
	}
	page, err := atRelay.feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower(), PageSize: 1})
	if err != nil || !slices.Equal(sessionsOf(page.GetChanges()), []string{"a", "b"}) || !page.GetMore() {
		t.Errorf("a page of one: %v, %v; want the first message whole", page, err)
	}

	place, err := position.Decode[ledger.Place](position2, hub.ledger.Epoch(), feed.Scope)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(epoch position.Epoch, n, later int64) string {
		return position.Encode(epoch, feed.Scope, ledger.Place{Sequence: place.Sequence + n, CreatedAt: place.CreatedAt + later})
	}
	for name, row := range map[string]struct {
		token string
		want  errorv1.Reason
	}{
		"none":                                 {"sess_1", errorv1.Reason_REASON_POSITION_INVALID},
		"another database":                     {encode(position.Epoch{1}, 0, 0), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"a database before it was restored":    {encode(hub.ledger.Epoch(), 0, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"not there, between two that are":      {encode(hub.ledger.Epoch(), -2, 1), errorv1.Reason_REASON_POSITION_EXPIRED},
		"later than all that the hub can have": {encode(hub.ledger.Epoch(), 1000, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
	} {
		_, err := atRelay.feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower(), ResumeToken: row.token})
		wantError(t, name, err, row.want)
	}
}

// Services follow a relay and its hub, and lose nothing while each dies in turn.
func TestServicesMoveBetweenARelayAndItsHub(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	hubAt := newAddress(t, hub)
	relay := startRelay(t, hub, []string{hubAt.URL})
	relayAt := newAddress(t, relay)
	s := followHubs(t, []*running{hub}, func(c *feedclient.Config) { c.Hubs = []string{relayAt.URL, hubAt.URL} })
	s.caughtUp(t)
	hub.revoke(t, "first")
	s.until(t, "first")
	for i := range 2 {
		relayAt.kill()
		hub.revoke(t, fmt.Sprint("without the relay ", i))
		s.until(t, fmt.Sprint("without the relay ", i))
		relayAt.server.Store(relay)
		hubAt.kill()
		eventually(t, "the service is at the relay", func() bool { return s.Status().Hub == relayAt.URL })
		hubAt.server.Store(hub)
		hub.revoke(t, fmt.Sprint("by the relay ", i))
		s.until(t, fmt.Sprint("by the relay ", i))
	}
}

// A relay that restarts in an outage serves what it knew, with its age; also what it did not
// know.
func TestARelayKeepsWhatItKnows(t *testing.T) {
	t.Parallel()
	snapshot := filepath.Join(t.TempDir(), "revocations")
	with := func(c *settings.Config) { c.Follow.Snapshot = snapshot }
	hub := start(t, withFeed)
	hub.revoke(t, "a", "b")
	at, itself := newAddress(t, hub), newAddress(t, nil)
	relay := startRelay(t, hub, []string{at.URL, at.URL}, with)
	_, first := feedUntil(t, "before", relay.transports()["gRPC"].follow(t, secretOfFeed, ""), 2)
	hub.revoke(t, "c")
	_, last := feedUntil(t, "before", relay.transports()["gRPC"].follow(t, secretOfFeed, first), 1)
	if err := relay.stop(); err != nil {
		t.Fatal(err)
	}
	at.kill()

	// It follows itself, which makes its copy no younger.
	relay = startRelay(t, hub, []string{itself.URL, at.URL}, with)
	itself.server.Store(relay)
	complete := time.Now().Add(-relay.relay.Follower().Status().Age)
	tr := relay.transports()["gRPC"]
	if got, _ := feedUntil(t, "in the outage", tr.follow(t, secretOfFeed, ""), 3); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("in the outage: %q", got)
	}
	if got, position := feedUntil(t, "in the outage", tr.follow(t, secretOfFeed, first), 1); !slices.Equal(got, []string{"c"}) || position != last {
		t.Errorf("from a position before: %q to %s; want c, to %s", got, position, last)
	}
	eventually(t, "it follows itself", func() bool { return relay.relay.Follower().Status().Hub == itself.URL })
	began := time.Now()
	stream := tr.follow(t, secretOfFeed, last)
	for range 3 {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
		if through := began.Add(stream.Msg().GetCompleteThrough().AsDuration()); through.After(complete.Add(500 * time.Millisecond)) {
			t.Errorf("complete %s after the hub was gone", through.Sub(complete))
		}
	}
	at.server.Store(hub)
	itself.kill()
	hub.revoke(t, "d")
	if got, _ := feedUntil(t, "after the outage", stream, 1); !slices.Equal(got, []string{"d"}) {
		t.Errorf("after the outage: %q; want d", got)
	}
}

// What the relay does not know is passed on, and nothing is claimed beyond it.
func TestARelayPassesOnWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	snapshot := filepath.Join(t.TempDir(), "revocations")
	with := func(c *settings.Config) { c.Follow.Snapshot = snapshot }
	hub := start(t, withFeed)
	hub.revoke(t, "a", "b")
	hub.database(t, `UPDATE revocations SET kind = 'planet' WHERE value = 'a'`)
	hub = hub.again(t, withFeed)
	var sent []*feedv1.Change
	for stream := hub.transports()["gRPC"].follow(t, secretOfFeed, ""); len(sent) < 2 && stream.Receive(); {
		sent = append(sent, stream.Msg().GetChanges()...)
	}
	relay := startRelay(t, hub, []string{hub.url}, with)
	for _, when := range []string{"at first", "after a restart"} {
		for protocol, tr := range relay.transports() {
			stream := tr.follow(t, secretOfFeed, "")
			var passed []*feedv1.Change
			for len(passed) < 2 && stream.Receive() {
				for _, change := range stream.Msg().GetChanges() {
					passed = append(passed, proto.CloneOf(change))
				}
			}
			if len(passed) != 2 || !proto.Equal(passed[0], sent[0]) || !proto.Equal(passed[1], sent[1]) {
				t.Errorf("%s, %s: %v, %v; want %v", when, protocol, passed, stream.Err(), sent)
			}
			if through := stream.Msg().GetCompleteThrough(); through != nil {
				t.Errorf("%s, %s: complete through %v; want nothing claimed", when, protocol, through)
			}
			_, err := tr.feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower(), ResumeToken: stream.Msg().GetResumeToken()})
			wantError(t, when+", "+protocol, err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
		}
		if got := relay.relay.Follower().Status(); !got.Ready || got.CaughtUp || got.Revocations != 1 {
			t.Errorf("%s: Status = %+v", when, got)
		}
		if when == "at first" {
			if err := relay.stop(); err != nil {
				t.Fatal(err)
			}
			relay = startRelay(t, hub, []string{hub.url}, with)
		}
	}
}

// Who revokes learns of the followers of a relay, and sessions that they see are listed at
// the hub.
func TestReportsGoThroughARelayToTheHub(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	near := startRelay(t, hub, []string{hub.url})
	far := startRelay(t, hub, []string{near.url})
	guard, _ := guardOf(t, near, "billing")
	guardOf(t, far, "shipping")
	eventually(t, "the hub, the relays and both services have confirmed", func() bool { return hub.propagation(t, "sess_1") == "5 of 5" })

	admit(t, guard, hub.issuer.Session("user_ada", authtest.With("sid", "sess_2")), "curl/8")
	eventually(t, "the session is listed", func() bool {
		seen, _ := hub.sightings(t, "sess_2")
		return seen == "billing: curl/8 at 192.0.2.7"
	})
	far.wantAdmitted(t, "at the relay itself", hub.issuer.Session("user_ada", authtest.With("sid", "sess_3")))
	eventually(t, "the session of the relay is listed", func() bool {
		seen, _ := hub.sightings(t, "sess_3")
		return strings.HasPrefix(seen, relayService+": ")
	})

	// One that reads pages confirms with its position.
	tr := far.transports()["Connect"]
	reader := &feedv1.Follower{Service: "reader", InstanceId: "reader-0"}
	var position string
	for range 2 {
		page, err := tr.feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: reader, ResumeToken: position})
		if err != nil {
			t.Fatal(err)
		}
		position = page.GetResumeToken()
	}
	eventually(t, "the hub knows of the reader", func() bool { return strings.HasSuffix(hub.propagation(t, "sess_1"), "of 6") })

	report := func(relays int32, token string) error {
		_, err := tr.feed(t, secretOfFeed).Report(t.Context(), &feedv1.ReportRequest{Follower: reader, RelayCount: relays, ConfirmedResumeToken: token})
		return err
	}
	wantError(t, "from a loop", report(9, ""), errorv1.Reason_REASON_INVALID_REQUEST)
	wantError(t, "from nowhere", report(-1, ""), errorv1.Reason_REASON_INVALID_REQUEST)
	wantError(t, "another position", report(0, "sess_1"), errorv1.Reason_REASON_POSITION_INVALID)
	if err := hub.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub is gone", func() bool { return near.relay.Follower().Status().Hub == "" })
	wantError(t, "without a hub", report(0, position), errorv1.Reason_REASON_STORE_UNAVAILABLE)
}

// A relay follows as an OAuth client.
func TestARelayFollowsAsAMachine(t *testing.T) {
	t.Parallel()
	hub := start(t, withFeed)
	machine := hub.issuer.Machine("mch_1", authtest.With("scopes", feedPermission))
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "relay" || secret != "of-the-client" || r.FormValue("scope") != feedPermission || r.FormValue("audience") != "hub" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":60}`, machine)
	}))
	defer endpoint.Close()
	relay := startRelay(t, hub, []string{hub.url}, func(c *settings.Config) {
		c.Follow.TokenURL, c.Follow.ClientID, c.Follow.Secret = endpoint.URL, "relay", "of-the-client"
		c.Follow.Scopes, c.Follow.Audience = []string{feedPermission}, "hub"
	})
	hub.revoke(t, "sess_1")
	feedUntil(t, "at the relay", relay.transports()["gRPC"].follow(t, secretOfFeed, ""), 1)
	if log := relay.log.String(); strings.Contains(log, machine) || strings.Contains(log, "of-the-client") {
		t.Error("a secret is in the log")
	}
}
