package grpcauth_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
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
		{status.Error(codes.Unauthenticated, "the vault is locked"), authclient.RetryLater, 0},
		{status.Error(codes.NotFound, "no such invoice"), authclient.GiveUp, 0},
		{status.Error(codes.Unavailable, "come back"), authclient.RetryLater, 0},
	} {
		conn := dial(t, ways["interceptors"](t, guardtest.NewGuard(nil), func(context.Context, string) (string, error) { return "", tt.err }))
		_, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello"))
		if got, retryAfter := grpcauth.RetryAdvice(err); got != tt.want || retryAfter != tt.retryAfter {
			t.Errorf("%v: %v after %v; want %v after %v", err, got, retryAfter, tt.want, tt.retryAfter)
		}
	}
}
