package authclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

func TestAdviceIsShownInWords(t *testing.T) {
	t.Parallel()
	for advice, want := range map[authclient.Advice]string{
		authclient.GiveUp: "give up", authclient.RetryWithFreshToken: "retry with a fresh token", authclient.RetryLater: "retry later",
		3: "give up", 255: "give up",
	} {
		if got := advice.String(); got != want {
			t.Errorf("%d: %q; want %q", advice, got, want)
		}
	}
}

// TestKeepAliveWithTheShortestLife has a third of the token's time left just after
// the shortest delay.
func TestKeepAliveWithTheShortestLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		_ = authclient.Retry{Advice: adviceFor}.KeepAlive(t.Context(), func(context.Context) (time.Time, error) {
			if calls++; calls == 5 {
				return time.Time{}, errRevoked
			}
			return time.Now().Add(375 * time.Millisecond), nil
		})
		if took := time.Since(began); took != time.Second {
			t.Errorf("5 calls took %v; want one each 250 ms", took)
		}
	})
}
