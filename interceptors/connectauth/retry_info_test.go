package connectauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

func TestARefusalThatPassesByItselfSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	for reason, want := range map[auth.Reason]time.Duration{
		auth.KeysUnavailable: 5 * time.Second, auth.RevocationsStale: 5 * time.Second, auth.RoleRequired: 0, auth.AuthFailure: 0,
	} {
		eachCall(t, func(t *testing.T, _ string, shape auth.StreamType, option connect.ClientOption) {
			server := newServer(t, newMux(func(context.Context, string) (string, error) {
				return "", auth.NewError(reason, nil)
			}, connectauth.WithGuard(guardtest.NewGuard(nil))))
			_, err := call(t.Context(), h2c(t), server.URL, shape, "hello", option, header("Authorization", "Bearer "+guardtest.GoodToken))
			received, ok := errors.AsType[*connect.Error](err)
			if got, _ := connectauth.ReasonOf(err); got != reason || !ok {
				t.Fatalf("%v; want reason %v", err, reason)
			}
			var got time.Duration
			for _, detail := range received.Details() {
				if value, _ := detail.Value(); value != nil {
					if info, ok := value.(*errdetails.RetryInfo); ok {
						got = info.GetRetryDelay().AsDuration()
					}
				}
			}
			if got != want {
				t.Errorf("%v: retry after %v; want %v", reason, got, want)
			}
		})
	}
}
