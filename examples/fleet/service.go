package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary"
	deliveryv1 "github.com/ostiary/ostiary/examples/gen/acme/delivery/v1"
	"github.com/ostiary/ostiary/examples/gen/acme/delivery/v1/deliveryv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// serve serves deliveries, and follows a hub: the three lines from feed.Follow on. The
// follower is what the guard takes revocations from.
func serve(ctx context.Context, listener net.Listener, name, hub, secret, issuer string) error {
	follower, err := feed.Follow(feed.Config{Hubs: []string{hub}, TokenSource: authclient.StaticToken(secret), Service: name}) //nolint:contextcheck // it is closed
	if err != nil {
		return err
	}
	defer follower.Close() //nolint:errcheck,contextcheck // it is always nil; what is left is reported after ctx has ended

	guard, err := ostiary.New(ostiary.Config{Issuer: issuer, Profile: "clerk", Revocations: follower}) //nolint:contextcheck // it is closed
	if err != nil {
		return err
	}
	defer guard.Close()
	mux := http.NewServeMux()
	mux.Handle(deliveryv1connect.NewDeliveryServiceHandler(deliveries{}, connectauth.WithGuard(guard)))
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: httpauth.RequireGuard(guard, mux)}

	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := follower.WaitReady(ctx); err != nil {
		return err
	}
	return server.Serve(listener)
}

type deliveries struct{}

// WatchDeliveries sends one message, and then has nothing more to say.
func (deliveries) WatchDeliveries(ctx context.Context, _ *deliveryv1.WatchDeliveriesRequest, stream *connect.ServerStream[deliveryv1.WatchDeliveriesResponse]) error {
	caller := auth.MustFromContext(ctx)
	if err := stream.Send(&deliveryv1.WatchDeliveriesResponse{Customer: caller.Subject}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}
