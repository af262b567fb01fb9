package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// watchIdentity prints the identity that the server sends, until the session is
// ended: the one goroutine brings the next token in time, the other opens the
// stream again where that did not help.
func watchIdentity(ctx context.Context, client identityv1connect.IdentityServiceClient) error {
	retry := authclient.Retry{Advice: connectauth.RetryAdvice}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return retry.KeepAlive(ctx, func(ctx context.Context) (time.Time, error) {
			me, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
			return me.GetIdentity().GetExpireTime().AsTime(), err
		})
	})
	group.Go(func() error {
		return retry.Stream(ctx, func(ctx context.Context) error {
			stream, err := client.WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
			if err != nil {
				return err
			}
			for stream.Receive() {
				if identity := stream.Msg().GetIdentity(); identity != nil { // otherwise it is a heartbeat
					log.Println(identity)
				}
			}
			return errors.Join(stream.Err(), stream.Close())
		})
	})
	return group.Wait()
}

func ExampleRetryAdvice() {
	// A server that cannot be reached is tried again, until time is up.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	client := identityv1connect.NewIdentityServiceClient(http.DefaultClient, "http://127.0.0.1:0")
	fmt.Println(watchIdentity(ctx, client))
	// Output: context deadline exceeded
}
