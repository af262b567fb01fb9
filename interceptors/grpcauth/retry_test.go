package grpcauth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// TestRetryAdviceFollowsTheReason, or the code of an error without a reason.
func TestRetryAdviceFollowsTheReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want authclient.Advice
	}{
		{auth.NewError(auth.TokenExpired, nil), authclient.RetryWithFreshToken},
		{auth.NewError(auth.TokenRevoked, nil), authclient.GiveUp},
		{auth.NewError(auth.KeysUnavailable, nil), authclient.RetryLater},
		{status.Error(codes.Unauthenticated, "the vault is locked"), authclient.RetryLater},
		{status.Error(codes.NotFound, "no such invoice"), authclient.GiveUp},
		{status.Error(codes.Unavailable, "come back"), authclient.RetryLater},
	} {
		conn := dial(t, ways["interceptors"](t, guardtest.NewGuard(nil), func(context.Context, string) (string, error) { return "", tt.err }))
		_, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, auth.Unary, wrapperspb.String("hello"))
		if got := grpcauth.RetryAdvice(err); got != tt.want {
			t.Errorf("%v: %v; want %v", err, got, tt.want)
		}
	}
}
