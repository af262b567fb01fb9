package interceptors_test

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// TestRetryFollowsTheReason opens a stream again when its token expires, and not when
// the session is revoked.
func TestRetryFollowsTheReason(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			h := newLeaseHouse(t, "idle")
			h.cause = make(chan error, 2)
			h.handle = func(ctx context.Context, _ handlerStream) error {
				if time.Until(auth.MustFromContext(ctx).ExpiresAt) > lifetime {
					close(h.entered)
				}
				<-ctx.Done()
				return nil
			}
			h.present(lifetime, "reader")
			client := transport.start(t, h, serverStream)
			var fresh []bool
			ended := make(chan error, 1)
			go func() {
				ended <- authclient.Retry{Advice: client.advice, MinDelay: time.Millisecond}.Stream(t.Context(), func(ctx context.Context) error {
					fresh = append(fresh, authclient.FreshTokenWanted(ctx))
					if len(fresh) == 2 {
						h.present(time.Hour, "reader")
					}
					return client.run(ctx)
				})
			}()
			h.untilEntered(ended)
			h.revoke(t)
			err := <-ended
			if reason, _ := client.reasonOf(err); reason != auth.TokenRevoked {
				t.Errorf("it ended with %v; want %v", err, auth.TokenRevoked)
			}
			if len(fresh) != 2 || fresh[0] || !fresh[1] {
				t.Errorf("the attempts asked for a fresh token: %v; want no, then yes", fresh)
			}
			if err := h.guard.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnUnreachableServerIsRetriedLater(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			var client leaseClient
			t.Run("which is stopped", func(t *testing.T) {
				client = transport.start(t, newLeaseHouse(t, "idle"), serverStream)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := client.run(ctx); client.advice(err) != authclient.RetryLater {
				t.Errorf("%v: advice %v; want %v", err, client.advice(err), authclient.RetryLater)
			}
		})
	}
}
