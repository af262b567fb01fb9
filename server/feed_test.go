package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/settings"
)

const (
	feedPermission = "feed:follow"
	secretOfFeed   = "0123456789abcdef0123456789abcdef"
)

func withFeed(c *settings.Config) {
	withOperator(c)
	withMachines(c)
	c.FeedPermission, c.FeedSecret = feedPermission, []string{strings.Repeat("old-", 8), secretOfFeed}
}

func withMachines(c *settings.Config) {
	c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine}
}

func (tr endpoint) feed(t *testing.T, token string) feedv1connect.FeedServiceClient {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	return feedv1connect.NewFeedServiceClient(httpClient(t, true), tr.url, options...)
}

func someFollower() *feedv1.Follower {
	return &feedv1.Follower{Service: "billing", InstanceId: "billing-0"}
}

type feedStream = *connect.ServerStreamForClient[feedv1.WatchChangesResponse]

// follow opens a stream after a position.
func (tr endpoint) follow(t *testing.T, token, position string) feedStream {
	t.Helper()
	stream, err := tr.feed(t, token).WatchChanges(t.Context(), &feedv1.WatchChangesRequest{ResumeToken: position, Follower: someFollower()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// feedUntil receives changes until there are as many, and the copy is complete. It returns the
// sessions that they revoke, and the position.
func feedUntil(t *testing.T, what string, stream feedStream, n int) (revoked []string, position string) {
	t.Helper()
	for len(revoked) < n || stream.Msg().GetCompleteThrough() == nil {
		if !stream.Receive() {
			t.Fatalf("%s: the stream ended with %v after %q; want %d", what, stream.Err(), revoked, n)
		}
		revoked = append(revoked, sessionsOf(stream.Msg().GetChanges())...)
	}
	return revoked, stream.Msg().GetResumeToken()
}

func sessionsOf(changes []*feedv1.Change) []string {
	var ids []string
	for _, change := range changes {
		ids = append(ids, change.GetRevoked().GetTarget().GetSession().GetSessionId())
	}
	return ids
}

// revoke revokes sessions, each by a call of its own.
func (r *running) revoke(t *testing.T, sessions ...string) {
	t.Helper()
	client := r.revocations(t, r.issuer.Session("user_otto"))
	for _, session := range sessions {
		if _, err := client.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession(session)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// A follower gets everything that is in force, then each revocation as it is made, and
// nothing again when it goes on from its position.
func TestARevocationReachesEveryFollowerInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.revoke(t, "a", "b")
	streams := make(map[string]feedStream)
	for protocol, tr := range r.transports() {
		streams[protocol] = tr.follow(t, secretOfFeed, "")
		if got, _ := feedUntil(t, protocol, streams[protocol], 2); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s: %q; want a and b", protocol, got)
		}
	}
	r.revoke(t, "c", "d")
	for protocol, tr := range r.transports() {
		got, position := feedUntil(t, protocol, streams[protocol], 2)
		if !slices.Equal(got, []string{"c", "d"}) {
			t.Errorf("%s: %q; want c and d", protocol, got)
		}
		_ = streams[protocol].Close()
		streams[protocol] = tr.follow(t, secretOfFeed, position)
		if got, again := feedUntil(t, protocol, streams[protocol], 0); len(got) > 0 || again != position {
			t.Errorf("%s: from its position, %q, and the position %t; want nothing, and the same", protocol, got, again == position)
		}
	}
	r.revoke(t, "e")
	for protocol := range r.transports() {
		if got, _ := feedUntil(t, protocol, streams[protocol], 1); !slices.Equal(got, []string{"e"}) {
			t.Errorf("%s: %q; want e", protocol, got)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for protocol, stream := range streams {
		for stream.Receive() {
		}
		wantError(t, protocol, stream.Err(), errorv1.Reason_REASON_SERVER_STOPPING)
	}
}

func TestEveryMessageOfTheFeedSaysHowCompleteItIs(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.revoke(t, "a")
	for protocol, tr := range r.transports() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			asked := time.Now()
			stream := tr.follow(t, secretOfFeed, "")
			feedUntil(t, protocol, stream, 1)
			var through []time.Duration
			for range 3 {
				if !stream.Receive() {
					t.Fatal(stream.Err())
				}
				message := stream.Msg()
				through = append(through, message.GetCompleteThrough().AsDuration())
				if got := message.GetHeartbeatInterval().AsDuration(); got != time.Second {
					t.Errorf("%s: a heartbeat each %s; want 1s", protocol, got)
				}
				if got := message.GetRetention().AsDuration(); got != longestLifetime(r.config) {
					t.Errorf("%s: kept for %s; want %s", protocol, got, longestLifetime(r.config))
				}
				if got := time.Since(message.GetHubTime().AsTime()); got < 0 || got > time.Minute || message.GetResumeToken() == "" {
					t.Errorf("%s: %v", protocol, message)
				}
			}
			// It is within what has passed for the follower, and not far behind.
			if passed := time.Since(asked); !slices.IsSorted(through) || through[2] <= through[0] || through[2] > passed || through[2] < passed-2*time.Second {
				t.Errorf("%s: complete through %v, %s after the request", protocol, through, passed)
			}
		})
	}
}

func TestPagesOfChangesHaveAnEnd(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.revoke(t, "a", "b", "c", "d", "e")
	eventually(t, "the server has read what was revoked", func() bool {
		res, err := r.transports()["Connect"].feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower()})
		return err == nil && len(res.GetChanges()) == 5
	})
	for protocol, tr := range r.transports() {
		client := tr.feed(t, secretOfFeed)
		var got []string
		req := &feedv1.ReadChangesRequest{PageSize: 2, Follower: someFollower()}
		for page := 1; ; page++ {
			res, err := client.ReadChanges(t.Context(), req)
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			got = append(got, sessionsOf(res.GetChanges())...)
			if req.ResumeToken == res.GetResumeToken() || res.GetMore() == (res.GetCompleteThrough() != nil) || res.GetRetention() == nil || page > len(got) {
				t.Errorf("%s: page %d is %v", protocol, page, res)
			}
			if req.ResumeToken = res.GetResumeToken(); !res.GetMore() {
				break
			}
		}
		if !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
			t.Errorf("%s: %q", protocol, got)
		}
		res, err := client.ReadChanges(t.Context(), req)
		if err != nil || len(res.GetChanges()) > 0 || res.GetMore() || res.GetResumeToken() != req.GetResumeToken() || res.GetCompleteThrough() == nil {
			t.Errorf("%s: at the end, %v, error %v; want nothing, at the same position", protocol, res, err)
		}
	}
	empty := start(t, withFeed)
	res, err := empty.transports()["gRPC"].feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{Follower: someFollower()})
	if err != nil || len(res.GetChanges()) > 0 || res.GetMore() || res.GetResumeToken() == "" || res.GetCompleteThrough() == nil {
		t.Errorf("without revocations: %v, error %v; want a position", res, err)
	}
}

// read and watch are the two methods, as far as their errors go.
func feedMethods(req *feedv1.WatchChangesRequest) map[string]func(context.Context, feedv1connect.FeedServiceClient) error {
	return map[string]func(context.Context, feedv1connect.FeedServiceClient) error{
		"ReadChanges": func(ctx context.Context, c feedv1connect.FeedServiceClient) error {
			_, err := c.ReadChanges(ctx, &feedv1.ReadChangesRequest{ResumeToken: req.GetResumeToken(), Follower: req.GetFollower()})
			return err
		},
		"WatchChanges": func(ctx context.Context, c feedv1connect.FeedServiceClient) error {
			stream, err := c.WatchChanges(ctx, req)
			if err != nil {
				return err
			}
			stream.Receive()
			return errors.Join(stream.Err(), stream.Close())
		},
	}
}

func TestWhoMayFollow(t *testing.T) {
	t.Parallel()
	both := start(t, withFeed)
	neither := start(t, withOperator, withMachines)
	permits := authtest.With("scopes", feedPermission)
	for name, test := range map[string]struct {
		server *running
		token  string
		want   auth.Reason // AuthFailure for none
	}{
		"a secret":                            {both, secretOfFeed, auth.AuthFailure},
		"another secret":                      {both, both.config.FeedSecret[0], auth.AuthFailure},
		"a machine with the permission":       {both, both.issuer.Machine("mch_1", permits), auth.AuthFailure},
		"nobody":                              {both, "", auth.TokenMissing},
		"a part of a secret":                  {both, secretOfFeed[:31], auth.TokenMalformed},
		"more than a secret":                  {both, secretOfFeed + "0", auth.TokenMalformed},
		"a secret in another case":            {both, strings.ToUpper(secretOfFeed), auth.TokenMalformed},
		"two secrets":                         {both, secretOfFeed + "," + secretOfFeed, auth.CredentialsAmbiguous},
		"a machine without the permission":    {both, both.issuer.Machine("mch_1"), auth.PermissionRequired},
		"a machine with half of it":           {both, both.issuer.Machine("mch_1", authtest.With("scopes", "feed")), auth.PermissionRequired},
		"a user with the permission":          {both, both.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "member", feedPermission)), auth.PermissionRequired},
		"an application with the scope":       {both, both.issuer.OAuth("user_ada", authtest.With("scope", feedPermission)), auth.PermissionRequired},
		"an operator":                         {both, both.issuer.Session("user_otto"), auth.PermissionRequired},
		"an expired machine":                  {both, both.issuer.Machine("mch_1", permits, authtest.IssuedAt(time.Now().Add(-2*time.Hour))), auth.TokenExpired},
		"a secret that was not set":           {neither, secretOfFeed, auth.TokenMalformed},
		"a permission that was not set":       {neither, neither.issuer.Machine("mch_1", permits), auth.PermissionRequired},
		"a machine without, and none was set": {neither, neither.issuer.Machine("mch_1", authtest.With("scopes", "")), auth.PermissionRequired},
	} {
		for protocol, tr := range test.server.transports() {
			for method, call := range feedMethods(&feedv1.WatchChangesRequest{Follower: someFollower()}) {
				t.Run(fmt.Sprint(name, "/", protocol, "/", method), func(t *testing.T) {
					t.Parallel()
					err := call(t.Context(), tr.feed(t, test.token))
					reason, refused := reasonOf(err)
					if want := test.want != auth.AuthFailure; refused != want || refused && reason != test.want || !want && err != nil {
						t.Errorf("%v; want %v", err, test.want)
					}
				})
			}
		}
	}
}

// A secret is for the feed alone, and is found nowhere afterwards.
func TestASecretOfTheFeedIsNoToken(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.wantReason(t, "a secret of the feed", secretOfFeed, auth.TokenMalformed)
	for protocol, tr := range r.transports() {
		_, err := tr.sessions(t, secretOfFeed).ListSessions(t.Context(), nil)
		if reason, _ := reasonOf(err); reason != auth.TokenMalformed {
			t.Errorf("%s: %v; want %v", protocol, err, auth.TokenMalformed)
		}
		feedUntil(t, protocol, tr.follow(t, secretOfFeed, ""), 0)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	log := r.log.String()
	if strings.Contains(log, secretOfFeed) {
		t.Error("the log has the secret in it")
	}
	for _, want := range []string{"subject=feed_secret_2", "msg=follower state=connected service=billing instance_id=billing-0 ", "msg=follower state=disconnected "} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// A follower with a wrong secret is not sent to look for a fault in a token.
func TestAWrongSecretOfTheFeedIsCalledOne(t *testing.T) {
	t.Parallel()
	for cause, edit := range map[string]func(*settings.Config){
		"no feed_secret is like it, nor is it a token: ": withFeed,
		"it is no token, and no feed_secret is set: ":    withMachines,
	} {
		r := start(t, edit)
		for protocol, tr := range r.transports() {
			for method, call := range feedMethods(&feedv1.WatchChangesRequest{Follower: someFollower()}) {
				err := call(t.Context(), tr.feed(t, secretOfFeed+"0"))
				if reason, _ := reasonOf(err); reason != auth.TokenMalformed || !strings.Contains(err.Error(), "compare it with the server's feed_secret") {
					t.Errorf("%s, %s: %v; want %v, and what to compare", protocol, method, err, auth.TokenMalformed)
				}
			}
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if log := r.log.String(); !strings.Contains(log, `cause="`+cause) || strings.Contains(log, secretOfFeed) {
			t.Errorf("the log lacks the cause %q, or has the secret in it:\n%s", cause, log)
		}
	}
}

func TestThePositionsOfTheFeed(t *testing.T) {
	t.Parallel()
	r, other := start(t, withFeed), start(t, withFeed)
	positionOf := func(r *running) string {
		r.revoke(t, "a")
		_, position := feedUntil(t, "once", r.transports()["gRPC"].follow(t, secretOfFeed, ""), 1)
		return position
	}
	mine, others := positionOf(r), positionOf(other)
	listed, err := r.revocations(t, r.issuer.Session("user_otto")).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	forged := func(sequence, createdAt int64) string {
		return position.Encode(r.ledger.Epoch(), feed.Scope, ledger.Place{Sequence: sequence, CreatedAt: createdAt})
	}
	for name, test := range map[string]struct {
		position string
		want     errorv1.Reason
	}{
		"its own":                    {mine, 0},
		"of another method":          {listed.GetResumeToken(), errorv1.Reason_REASON_POSITION_INVALID},
		"of another database":        {others, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"no position":                {"position", errorv1.Reason_REASON_POSITION_INVALID},
		"cut":                        {mine[:len(mine)-1], errorv1.Reason_REASON_POSITION_INVALID},
		"that does not exist yet":    {forged(1000, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"of a row with another time": {forged(1, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"before the first":           {forged(-5, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"the beginning, with a time": {forged(0, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
		"the largest number":         {forged(1<<63-1, 1), errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
	} {
		for protocol, tr := range r.transports() {
			// The first message is sent at once, before the store was asked.
			stream := tr.follow(t, secretOfFeed, test.position)
			for stream.Receive() && stream.Msg().GetCompleteThrough() == nil {
			}
			_, read := tr.feed(t, secretOfFeed).ReadChanges(t.Context(), &feedv1.ReadChangesRequest{ResumeToken: test.position, Follower: someFollower()})
			for method, err := range map[string]error{"WatchChanges": stream.Err(), "ReadChanges": read} {
				if test.want != 0 {
					wantError(t, fmt.Sprint("a position ", name, " over ", protocol, " by ", method), err, test.want)
				} else if err != nil {
					t.Errorf("a position %s over %s by %s: %v", name, protocol, method, err)
				}
			}
		}
	}
}

func TestTheFeedRefusesRequestsThatSayTooLittle(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	long := strings.Repeat("x", 254)
	for name, test := range map[string]struct {
		req  *feedv1.WatchChangesRequest
		want []string
	}{
		"nobody":            {&feedv1.WatchChangesRequest{}, []string{"follower.service", "follower.instance_id"}},
		"too long":          {&feedv1.WatchChangesRequest{Follower: &feedv1.Follower{Service: long, InstanceId: long}}, []string{"follower.service", "follower.instance_id"}},
		"a space":           {&feedv1.WatchChangesRequest{Follower: &feedv1.Follower{Service: "a b", InstanceId: "c"}}, []string{"follower.service"}},
		"a line break":      {&feedv1.WatchChangesRequest{Follower: &feedv1.Follower{Service: "a", InstanceId: "c\n"}}, []string{"follower.instance_id"}},
		"another alphabet":  {&feedv1.WatchChangesRequest{Follower: &feedv1.Follower{Service: "é", InstanceId: "c"}}, []string{"follower.service"}},
		"as long as can be": {&feedv1.WatchChangesRequest{Follower: &feedv1.Follower{Service: long[1:], InstanceId: long[1:]}}, nil},
	} {
		for protocol, tr := range r.transports() {
			for method, call := range feedMethods(test.req) {
				err := call(t.Context(), tr.feed(t, secretOfFeed))
				if got := violationsOf(t, err); !slices.Equal(got, test.want) || test.want == nil && err != nil {
					t.Errorf("%s over %s by %s: %v; want %q", name, protocol, method, err, test.want)
				}
			}
		}
	}
	client := r.transports()["gRPC"].feed(t, secretOfFeed)
	if _, err := client.ReadChanges(t.Context(), &feedv1.ReadChangesRequest{PageSize: -1, Follower: someFollower()}); !slices.Equal(violationsOf(t, err), []string{"page_size"}) {
		t.Errorf("a negative page: %v", err)
	}
	if _, err := client.ReadChanges(t.Context(), &feedv1.ReadChangesRequest{PageSize: 1<<31 - 1, Follower: someFollower()}); err != nil {
		t.Errorf("a page of any size: %v", err)
	}
	for asked, want := range map[*durationpb.Duration]time.Duration{
		nil: time.Second, durationpb.New(0): time.Second, durationpb.New(-time.Hour): time.Second, durationpb.New(time.Millisecond): time.Second,
		durationpb.New(5 * time.Second): 5 * time.Second, durationpb.New(time.Hour): 30 * time.Second,
	} {
		stream, err := client.WatchChanges(t.Context(), &feedv1.WatchChangesRequest{HeartbeatInterval: asked, Follower: someFollower()})
		if err != nil || !stream.Receive() || stream.Msg().GetHeartbeatInterval().AsDuration() != want {
			t.Errorf("asked for %v: %v, error %v; want %s", asked, stream.Msg(), stream.Err(), want)
		}
		_ = stream.Close()
	}
	call := feedMethods(&feedv1.WatchChangesRequest{HeartbeatInterval: &durationpb.Duration{Seconds: 1, Nanos: -1}, Follower: someFollower()})["WatchChanges"]
	if err := call(t.Context(), client); !slices.Equal(violationsOf(t, err), []string{"heartbeat_interval"}) {
		t.Errorf("no duration: %v", err)
	}
}

// A follower whose own token is revoked has that revocation before its stream ends.
func TestTheLastThatAFollowerGetsIsItsOwnRevocation(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	for protocol, tr := range r.transports() {
		machine := "mch_" + strings.ReplaceAll(protocol, " ", "_")
		token := r.issuer.Machine(machine, authtest.With("scopes", feedPermission))
		stream := tr.follow(t, token, "")
		feedUntil(t, protocol, stream, 0)
		_, err := r.revocations(t, r.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{{
			Target: &revocationv1.Target{Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: r.issuer.URL(), Subject: machine}}},
			Extent: &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		var last string
		for stream.Receive() {
			for _, change := range stream.Msg().GetChanges() {
				last = change.GetRevoked().GetTarget().GetMachine().GetSubject()
			}
		}
		if reason, _ := reasonOf(stream.Err()); reason != auth.TokenRevoked || last != machine {
			t.Errorf("%s: the last was of %q, and then %v; want %v", protocol, last, stream.Err(), auth.TokenRevoked)
		}
		err = feedMethods(&feedv1.WatchChangesRequest{Follower: someFollower()})["WatchChanges"](t.Context(), tr.feed(t, token))
		if reason, _ := reasonOf(err); reason != auth.TokenRevoked {
			t.Errorf("%s: again: %v; want %v", protocol, err, auth.TokenRevoked)
		}
	}
}

// A row that this server cannot read is sent as a change that no follower knows: to leave
// it out would admit what it revokes.
func TestARowThatMeansNothingIsSent(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	r.revoke(t, "a", "b", "c")
	r.database(t, `UPDATE revocations SET kind = 'planet' WHERE value = 'a'`)
	r.database(t, `UPDATE revocations SET value = '' WHERE value = 'b'`)
	again := r.again(t, withFeed)
	for protocol, tr := range again.transports() {
		stream := tr.follow(t, secretOfFeed, "")
		var changes []*feedv1.Change
		for len(changes) < 3 && stream.Receive() {
			for _, change := range stream.Msg().GetChanges() {
				changes = append(changes, proto.CloneOf(change))
			}
		}
		if len(changes) != 3 {
			t.Fatalf("%s: %v, error %v", protocol, changes, stream.Err())
		}
		for i, change := range changes {
			if known := change.GetRevoked().GetTarget() != nil; known != (i == 2) || change.GetSkippable() || change.GetRevoked().GetRevocationId() == "" {
				t.Errorf("%s: change %d is %v", protocol, i, change)
			}
		}
	}
	if !strings.Contains(again.log.String(), "means nothing") {
		t.Error("the log does not say so")
	}
}
