package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/settings"
)

// A service follows hubs as a user of the library does.
type service struct {
	*feed.Follower

	issuer  string
	changed chan struct{}
}

func followHubs(t *testing.T, hubs []*running, edits ...func(*feed.Config)) *service {
	t.Helper()
	config := feed.Config{TokenSource: authclient.StaticToken(secretOfFeed), Service: "billing", Logger: slog.New(slog.NewTextHandler(new(logBuffer), nil))}
	for _, r := range hubs {
		config.Hubs = append(config.Hubs, r.url)
	}
	for _, edit := range edits {
		edit(&config)
	}
	follower, err := feed.Follow(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = follower.Close() })
	s := &service{follower, hubs[0].issuer.URL(), make(chan struct{}, 1)}
	s.Watch(func() {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	})
	return s
}

func (s *service) caughtUp(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// reason returns why the service refuses a token of the session, or nothing.
func (s *service) reason(session string) string {
	reason, refused := auth.ReasonOf(s.Revoked(&auth.Identity{Issuer: s.issuer, Subject: "user_ada", SessionID: session, IssuedAt: time.Now()}))
	if !refused {
		return ""
	}
	return reason.String()
}

// until waits until sessions are refused.
func (s *service) until(t *testing.T, sessions ...string) {
	t.Helper()
	late := time.After(time.Minute)
	for _, session := range sessions {
		for s.reason(session) != "TOKEN_REVOKED" {
			select {
			case <-s.changed:
			case <-late:
				t.Fatalf("session %s is not revoked: %+v", session, s.Status())
			}
		}
	}
}

func TestAServiceFollowsTheServer(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.revoke(t, "before")
	machine := authclient.StaticToken(r.issuer.Machine("mch_1", authtest.With("scopes", feedPermission)))
	for name, edit := range map[string]func(*feed.Config){
		"with a secret, over HTTP/1.1": func(*feed.Config) {},
		"with a secret, over HTTP/2":   func(c *feed.Config) { c.Transport = httpClient(t, true).Transport },
		"as a machine":                 func(c *feed.Config) { c.TokenSource = machine },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := followHubs(t, []*running{r}, edit)
			s.caughtUp(t)
			s.until(t, "before")
			r.revoke(t, name)
			s.until(t, name)
			if got := s.reason("other"); got != "" {
				t.Errorf("another session is refused with %s", got)
			}
			if got := s.Status(); !got.Ready || got.Stale || got.Age > 10*time.Second || got.Hub != r.url || got.LastError != "" {
				t.Errorf("Status = %+v", got)
			}
		})
	}
}

// Every target that the server takes is one that a follower knows.
func TestAServiceKnowsEveryTargetOfTheServer(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	issuer := r.issuer.URL()
	targets := []*revocationv1.NewRevocation{
		r.ofSession("sess_1"),
		{Target: &revocationv1.Target{Target: &revocationv1.Target_Subject{Subject: &revocationv1.SubjectRef{Issuer: issuer, Subject: "user_eve"}}}},
		{Target: &revocationv1.Target{Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{Issuer: issuer, TokenId: "jti_1"}}}},
		{Target: &revocationv1.Target{Target: &revocationv1.Target_Client{Client: &revocationv1.ClientRef{Issuer: issuer, ClientId: "client_1"}}}},
		{Target: &revocationv1.Target{Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: issuer, Subject: "mch_1"}}}},
		{Target: &revocationv1.Target{Target: &revocationv1.Target_Organization{Organization: &revocationv1.OrganizationRef{Issuer: issuer, OrganizationId: "org_1"}}}},
		{Target: &revocationv1.Target{Target: &revocationv1.Target_Member{Member: &revocationv1.MemberRef{Issuer: issuer, OrganizationId: "org_2", Subject: "user_eve"}}}},
	}
	s := followHubs(t, []*running{r})
	s.caughtUp(t)
	for i, target := range targets {
		target.Extent = &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}}
		if _, err := r.revocations(t, r.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{target}}); err != nil {
			t.Fatalf("target %d: %v", i, err)
		}
	}
	r.revoke(t, "last")
	s.until(t, "sess_1", "last")
	if got := s.Status(); got.Stale || got.Revocations != len(targets)+1 {
		t.Errorf("Status = %+v; want %d revocations", got, len(targets)+1)
	}
}

// A sign-out at the server ends a stream of a service, also of one that follows a relay.
func TestARevocationAtTheServerEndsAStreamOfTheService(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	for name, followed := range map[string]*running{"follows the server": r, "follows a relay": startRelay(t, r, []string{r.url})} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := followHubs(t, []*running{followed})
			s.caughtUp(t)
			guard, err := ostiary.New(ostiary.Config{Issuer: r.issuer.URL(), Profile: "clerk", Revocations: s, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer guard.Close()
			_, handler := feedv1connect.NewFeedServiceHandler(openStream{}, connectauth.WithGuard(guard))
			served := httptest.NewServer(handler)
			defer served.Close()
			client := feedv1connect.NewFeedServiceClient(served.Client(), served.URL, connect.WithInterceptors(bearer(r.issuer.Session("user_ada", authtest.With("sid", name)))))
			stream, err := client.WatchChanges(t.Context(), &feedv1.WatchChangesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close() //nolint:errcheck // it has ended
			r.revoke(t, name)
			for stream.Receive() {
			}
			if reason, _ := connectauth.ReasonOf(stream.Err()); reason != auth.TokenRevoked {
				t.Errorf("the stream ended with %v; want %v", stream.Err(), auth.TokenRevoked)
			}
		})
	}
}

// openStream holds each stream until its lease ends.
type openStream struct {
	feedv1connect.UnimplementedFeedServiceHandler
}

func (openStream) WatchChanges(ctx context.Context, _ *feedv1.WatchChangesRequest, stream *connect.ServerStream[feedv1.WatchChangesResponse]) error {
	if err := stream.Send(nil); err != nil { // headers alone
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Two replicas have one database, and one of them dies.
func TestAServiceGoesOnAtAnotherReplica(t *testing.T) {
	t.Parallel()
	first := start(t, withFeed)
	second := start(t, withFeed, func(c *settings.Config) { c.DataDir, c.Issuers = first.config.DataDir, first.config.Issuers })
	second.issuer = first.issuer
	s := followHubs(t, []*running{first, second})
	s.caughtUp(t)
	first.revoke(t, "at the first")
	second.revoke(t, "at the second")
	s.until(t, "at the first", "at the second")
	dying, left := first, second
	if s.Status().Hub == second.url {
		dying, left = second, first
	}
	if err := dying.stop(); err != nil {
		t.Error(err)
	}
	left.revoke(t, "later")
	s.until(t, "later")
	if got := s.Status(); got.Hub != left.url || got.Stale {
		t.Errorf("Status = %+v; want the hub that is left", got)
	}
}

// A server with another database gives what it knows, and takes nothing away.
func TestAServiceKeepsItsCopyWhenTheDatabaseIsReplaced(t *testing.T) {
	t.Parallel()
	snapshot := filepath.Join(t.TempDir(), "revocations")
	with := func(c *feed.Config) { c.Snapshot = snapshot }
	old, replaced := start(t, withFeed), start(t, withFeed)
	old.revoke(t, "old")
	replaced.revoke(t, "new")
	before := followHubs(t, []*running{old, old}, with)
	before.caughtUp(t)
	before.until(t, "old")
	_ = before.Close()
	if err := old.stop(); err != nil {
		t.Error(err)
	}

	after := followHubs(t, []*running{old, replaced}, with)
	if got := after.reason("old"); got != "TOKEN_REVOKED" {
		t.Errorf("from the snapshot: %q", got)
	}
	after.issuer = replaced.issuer.URL()
	after.until(t, "new")
	after.issuer = old.issuer.URL()
	after.until(t, "old")
}

func TestAServiceThatMayNotFollowIsNotReady(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	for name, row := range map[string]struct {
		edit func(*feed.Config)
		says string
	}{
		"another secret":  {func(c *feed.Config) { c.TokenSource = authclient.StaticToken(strings.Repeat("x", 32)) }, "unauthenticated"},
		"no token":        {func(c *feed.Config) { c.TokenSource = authclient.StaticToken("") }, "unauthenticated"},
		"an operator":     {func(c *feed.Config) { c.TokenSource = authclient.StaticToken(r.issuer.Session("user_otto")) }, "permission_denied"},
		"longer tokens":   {func(c *feed.Config) { c.Retention = 2 * revocation.DefaultRetention }, "the hub keeps revocations for 24h0m10s"},
		"it is no server": {func(c *feed.Config) { c.Hubs = []string{r.issuer.URL()} }, "hub " + r.issuer.URL()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan struct{})
			once := sync.OnceFunc(func() { close(failed) })
			s := followHubs(t, []*running{r}, row.edit, func(c *feed.Config) {
				c.Logger = slog.New(slog.NewTextHandler(writerFunc(func(line []byte) { once() }), nil))
			})
			<-failed // the log says so
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("enough"))
			err := s.WaitReady(ctx)
			if err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "enough") == strings.Contains(name, "longer") {
				t.Errorf("WaitReady = %v; want %q", err, row.says)
			}
			if got := s.reason("sess_1"); got != "REVOCATIONS_STALE" {
				t.Errorf("a call is refused with %q", got)
			}
		})
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// The machine that follows is revoked itself: the revocation arrives, and the copy is
// stale.
func TestAServiceWhoseMachineIsRevoked(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	s := followHubs(t, []*running{r}, func(c *feed.Config) {
		c.RefuseStale = true
		c.TokenSource = authclient.StaticToken(r.issuer.Machine("mch_1", authtest.With("scopes", feedPermission)))
	})
	s.caughtUp(t)
	_, err := r.revocations(t, r.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{{
		Target: &revocationv1.Target{Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: r.issuer.URL(), Subject: "mch_1"}}},
		Extent: &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for late := time.After(time.Minute); s.reason("sess_1") != "REVOCATIONS_STALE"; {
		select {
		case <-s.changed:
		case <-late:
			t.Fatalf("Status = %+v; want it stale", s.Status())
		}
	}
	machine := &auth.Identity{Issuer: r.issuer.URL(), Subject: "mch_1", Kind: auth.KindMachine, IssuedAt: time.Now()}
	if reason, _ := auth.ReasonOf(s.Revoked(machine)); reason != auth.TokenRevoked {
		t.Errorf("the machine is refused with %v; want %v", reason, auth.TokenRevoked)
	}
	if got := s.Status(); !got.Stale || !strings.Contains(got.LastError, fmt.Sprint(connect.CodeUnauthenticated)) {
		t.Errorf("Status = %+v", got)
	}
}
