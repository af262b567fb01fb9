package feed_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ostiary/ostiary"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A service refuses what was revoked at the hub.
func ExampleFollow() {
	_, handler := feedv1connect.NewFeedServiceHandler(exampleHub{})
	server := httptest.NewServer(handler)
	defer server.Close()
	hub, secret := server.URL, "one that the hub has, from the environment"

	follower, err := feed.Follow(feed.Config{Hubs: []string{hub}, TokenSource: authclient.StaticToken(secret), Service: "billing"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = follower.Close() }()
	config := ostiary.Config{Issuer: "https://clerk.example.com", AuthorizedParties: []string{"https://app.example.com"}}
	config.Revocations = follower
	config.Observer = follower // so that the hub lists the sessions of this service

	guard, err := ostiary.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = guard.Close() }()

	// Calls are refused with REVOCATIONS_STALE until the copy has caught up. To accept no
	// connections before, wait for it.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := follower.WaitReady(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(guard.Revocations.Revoked(&auth.Identity{Issuer: "https://clerk.example.com", Subject: "user_ada", SessionID: "sess_1"}))
	fmt.Println(guard.Revocations.Revoked(&auth.Identity{Issuer: "https://clerk.example.com", Subject: "user_ben", SessionID: "sess_2"}))
	// Output:
	// TOKEN_REVOKED: the session was ended; sign in again
	// <nil>
}

// exampleHub stands for an ostiary server, at which the session sess_1 was revoked.
type exampleHub struct {
	feedv1connect.UnimplementedFeedServiceHandler
}

func (exampleHub) WatchChanges(ctx context.Context, _ *feedv1.WatchChangesRequest, stream *connect.ServerStream[feedv1.WatchChangesResponse]) error {
	err := stream.Send(&feedv1.WatchChangesResponse{
		Changes: []*feedv1.Change{{Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{
			Target: &revocationv1.Target{Target: &revocationv1.Target_Session{Session: &revocationv1.SessionRef{
				Issuer:    "https://clerk.example.com",
				SessionId: "sess_1",
				Owner:     &revocationv1.SessionRef_Subject{Subject: "user_ada"},
			}}},
		}}}},
		ResumeToken:       "1",
		CompleteThrough:   durationpb.New(0),
		HeartbeatInterval: durationpb.New(time.Second),
		Retention:         durationpb.New(revocation.DefaultRetention),
	})
	<-ctx.Done()
	return err
}
