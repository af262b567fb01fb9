package grpcauth_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestARefusalThatPassesByItselfSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	for reason, want := range map[auth.Reason]time.Duration{
		auth.KeysUnavailable: 5 * time.Second, auth.RevocationsStale: 5 * time.Second, auth.RoleRequired: 0, auth.AuthFailure: 0,
	} {
		eachCall(t, func(t *testing.T, shape auth.StreamType, serve func(*testing.T, *auth.Guard, guardtest.Handler) string) {
			conn := dial(t, serve(t, guardtest.NewGuard(nil), func(context.Context, string) (string, error) {
				return "", auth.NewError(reason, nil)
			}))
			_, _, err := call(bearer(t.Context(), guardtest.GoodToken), conn, shape, wrapperspb.String("hello"))
			if got, _ := grpcauth.ReasonOf(err); got != reason {
				t.Fatalf("%v; want reason %v", err, reason)
			}
			var got time.Duration
			for _, detail := range status.Convert(err).Details() {
				if info, ok := detail.(*errdetails.RetryInfo); ok {
					got = info.GetRetryDelay().AsDuration()
				}
			}
			if got != want {
				t.Errorf("%v: retry after %v; want %v", reason, got, want)
			}
		})
	}
}
