package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// follower is a context of somebody who may follow, for calls of the service itself.
func (r *running) follower(ctx context.Context, t testing.TB) context.Context {
	t.Helper()
	return auth.NewContext(ctx, r.followerWith(t, secretOfFeed))
}

// followerWith returns the identity of those who send a secret.
func (r *running) followerWith(t testing.TB, secret string) *auth.Identity {
	t.Helper()
	id, err := feed.Authenticator{Verifier: r.verifier, Followers: r.followers}.
		Authenticate(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + secret}}})
	if err != nil {
		t.Fatalf("the secret does not count: %v", err)
	}
	return id
}

// Two servers on one database are one hub: what is revoked at one reaches the followers of
// both, and a position of one is good at the other.
func TestServersOnOneDatabaseAreOneHub(t *testing.T) {
	t.Parallel()
	one := start(t, withFeed)
	other := start(t, withFeed, func(c *settings.Config) { c.DataDir, c.Issuers = one.config.DataDir, one.config.Issuers })
	stream := other.transports()["gRPC"].follow(t, secretOfFeed, "")
	feedUntil(t, "at the other", stream, 0)
	one.revoke(t, "a", "b")
	got, position := feedUntil(t, "at the other", stream, 2)
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("at the other: %q; want a and b", got)
	}
	one.revoke(t, "c")
	if got, _ := feedUntil(t, "at the one", one.transports()["Connect"].follow(t, secretOfFeed, position), 1); !slices.Equal(got, []string{"c"}) {
		t.Errorf("at the one: %q; want c", got)
	}
}

// How complete a copy is does not depend on the time of day; nor does what is sent: a
// hub whose clock is ahead would leave out what its followers need.
func TestTheHubsClockHidesNothing(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withFeed, now.set)
	r.revoke(t, "a")
	stream := r.transports()["gRPC"].follow(t, secretOfFeed, "")
	feedUntil(t, "before", stream, 1)
	last := stream.Msg().GetCompleteThrough().AsDuration()
	for i, moved := range []time.Duration{-48 * time.Hour, 90 * 24 * time.Hour} {
		now.move(moved)
		session := fmt.Sprint("after-", i)
		r.revoke(t, session)
		if got, _ := feedUntil(t, session, stream, 1); !slices.Equal(got, []string{session}) {
			t.Errorf("moved by %s: %q; want %q", moved, got, session)
		}
		through := stream.Msg().GetCompleteThrough().AsDuration()
		if through < last || through > time.Minute {
			t.Errorf("moved by %s: complete through %s; want a little more than %s", moved, through, last)
		}
		if last = through; !stream.Msg().GetHubTime().AsTime().Equal(now.now()) {
			t.Errorf("moved by %s: the hub's time is %s; want %s", moved, stream.Msg().GetHubTime().AsTime(), now.now())
		}
	}
	if got, _ := feedUntil(t, "again", r.transports()["gRPC"].follow(t, secretOfFeed, ""), 3); len(got) != 3 {
		t.Errorf("%q; want all three, though by the hub's clock the first has expired", got)
	}
}

// While a hub cannot read its store, followers have heartbeats that say how old their
// copy is, and then go on.
func TestAHubWithoutItsStoreSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	stream := r.transports()["native gRPC"].follow(t, secretOfFeed, "")
	feedUntil(t, "before", stream, 0)
	r.database(t, `ALTER TABLE revocations RENAME TO gone`)
	var stands time.Duration
	for range 5 {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
		before := stands
		if stands = stream.Msg().GetCompleteThrough().AsDuration(); stands == before {
			break
		}
	}
	if !stream.Receive() || stream.Msg().GetCompleteThrough().AsDuration() != stands {
		t.Errorf("%v, error %v; want it complete through %s as before", stream.Msg(), stream.Err(), stands)
	}
	r.database(t, `ALTER TABLE gone RENAME TO revocations`)
	r.revoke(t, "a")
	if got, _ := feedUntil(t, "after", stream, 1); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q; want a", got)
	}
	for stream.Msg().GetCompleteThrough().AsDuration() <= stands {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
	}
}

// A hub on a standby never knows whether it has everything. Who watches goes on at another
// hub; who reads a page must not wait for it.
func TestAPageIsNotReadFromAStandby(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	r := start(t, withFeed, func(c *settings.Config) { c.DatabaseURL = primary.URL("postgres") })
	r.revoke(t, "a")
	standby := primary.Standby(t, pgserver.Synchronous)
	behind := start(t, withFeed, func(c *settings.Config) { c.DatabaseURL, c.Issuers = standby.URL("postgres"), r.config.Issuers })
	for protocol, tr := range behind.transports() {
		feed := tr.feed(t, secretOfFeed)
		res, err := feed.ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower()})
		if err != nil || !res.GetMore() || !slices.Equal(sessionsOf(res.GetChanges()), []string{"a"}) {
			t.Errorf("%s: %v, error %v; want what the standby has, and that there may be more", protocol, res, err)
		}
		_, err = feed.ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower(), ResumeToken: res.GetResumeToken()})
		wantError(t, protocol, err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
	}
}

// A follower that has stopped reading holds nobody up, and misses nothing.
func TestASlowFollowerIsServedWhenItReads(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	ctx, leave := context.WithCancel(r.follower(t.Context(), t))
	defer leave()
	release, got, ended := make(chan struct{}), make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- r.feed.Watch(ctx, &feedv1.WatchChangesRequest{Follower: someFollower()}, func(res *feedv1.WatchChangesResponse) error {
			<-release
			for _, session := range sessionsOf(res.GetChanges()) {
				got <- session
			}
			return nil
		})
	}()
	quick := r.transports()["gRPC"].follow(t, secretOfFeed, "")
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("sess_", i))
	}
	r.revoke(t, want...)
	if got, _ := feedUntil(t, "a quick follower", quick, len(want)); !slices.Equal(got, want) {
		t.Errorf("a quick follower has %q; want %q", got, want)
	}
	close(release)
	for _, session := range want {
		if next := <-got; next != session {
			t.Fatalf("%s; want %s", next, session)
		}
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v; want %v", err, context.Canceled)
	}
	broken := errors.New("broken")
	err := r.feed.Watch(r.follower(t.Context(), t), &feedv1.WatchChangesRequest{Follower: someFollower()}, func(*feedv1.WatchChangesResponse) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("ended with %v; want the error of its stream", err)
	}
}

// A machine whose next token lacks the permission follows no longer.
func TestAFollowerThatLosesThePermissionIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	tr := r.transports()["gRPC"]
	stream := tr.follow(t, r.issuer.Machine("mch_1", authtest.With("scopes", feedPermission)), "")
	feedUntil(t, "with the permission", stream, 0)
	_, err := tr.feed(t, r.issuer.Machine("mch_1", authtest.IssuedAt(time.Now().Add(2*time.Second)))).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower()})
	if reason, _ := reasonOf(err); reason != auth.PermissionRequired {
		t.Errorf("without it: %v; want %v", err, auth.PermissionRequired)
	}
	for stream.Receive() {
	}
	if reason, _ := reasonOf(stream.Err()); reason != auth.PermissionRequired {
		t.Errorf("the stream ends with %v; want %v", stream.Err(), auth.PermissionRequired)
	}
}

func TestSecretsOfAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets")
	inFile := strings.Repeat("f", 32)
	if err := os.WriteFile(path, []byte(inFile+"\n\n"+strings.Repeat("g", 40)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, withFeed, func(c *settings.Config) { c.FeedSecretFile = path })
	for _, secret := range []string{secretOfFeed, inFile, strings.Repeat("g", 40)} {
		feedUntil(t, "a secret", r.transports()["gRPC"].follow(t, secret, ""), 0)
	}
	if secrets, err := r.config.FeedSecrets(); err != nil || len(secrets) != 4 {
		t.Errorf("%d secrets, error %v; want 4", len(secrets), err)
	}
}

func TestExplainAccessKnowsWhoMayFollow(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	const procedure = "/ostiary.feed.v1.FeedService/WatchChanges"
	for name, test := range map[string]struct {
		token string
		want  accessv1.AccessOutcome
	}{
		"an operator":                      {r.issuer.Session("user_otto"), accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET},
		"a machine with the permission":    {r.issuer.Machine("mch_1", authtest.With("scopes", feedPermission)), accessv1.AccessOutcome_ACCESS_OUTCOME_MET},
		"a machine without the permission": {r.issuer.Machine("mch_1"), accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET},
	} {
		res, err := r.transports()["gRPC"].access(t, test.token).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{procedure}})
		if err != nil || len(res.GetExplanations()) != 1 || res.GetExplanations()[0].GetOutcome() != test.want {
			t.Errorf("%s: %v, error %v; want %v", name, res, err, test.want)
		}
	}
}
