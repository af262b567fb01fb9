package connectauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// after returns a refusal with a delay.
func after(reason auth.Reason, d time.Duration) error {
	refusal := auth.NewError(reason, nil)
	refusal.RetryAfter = d
	return refusal
}

// TestRetryAdviceFollowsTheReason, or the code of an error without a reason.
func TestRetryAdviceFollowsTheReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err        error
		want       authclient.Advice
		retryAfter time.Duration
	}{
		{auth.NewError(auth.TokenExpired, nil), authclient.RetryWithFreshToken, 0},
		{auth.NewError(auth.TokenRevoked, nil), authclient.GiveUp, 0},
		{auth.NewError(auth.KeysUnavailable, nil), authclient.RetryLater, 5 * time.Second},
		{after(auth.TokenRevoked, 3*time.Second), authclient.RetryWithFreshToken, 3 * time.Second},
		{auth.NewError(auth.TooManyStreams, nil), authclient.GiveUp, 0},
		{after(auth.TooManyStreams, 5*time.Second), authclient.RetryLater, 5 * time.Second},
		{connect.NewError(connect.CodeUnauthenticated, errors.New("the vault is locked")), authclient.RetryLater, 0},
		{connect.NewError(connect.CodeNotFound, errors.New("no such invoice")), authclient.GiveUp, 0},
		{connect.NewError(connect.CodeUnavailable, errors.New("come back")), authclient.RetryLater, 0},
	} {
		server := newServer(t, newMux(func(context.Context, string) (string, error) { return "", tt.err }, connectauth.WithGuard(guardtest.NewGuard(nil))))
		_, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello", connectauth.WithToken(server.URL, source))
		if got, retryAfter := connectauth.RetryAdvice(err); got != tt.want || retryAfter != tt.retryAfter {
			t.Errorf("%v: %v after %v; want %v after %v", err, got, retryAfter, tt.want, tt.retryAfter)
		}
	}
}
