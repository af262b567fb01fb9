package connectauth_test

import (
	"context"
	"errors"
	"testing"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
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
		{connect.NewError(connect.CodeUnauthenticated, errors.New("the vault is locked")), authclient.RetryLater},
		{connect.NewError(connect.CodeNotFound, errors.New("no such invoice")), authclient.GiveUp},
		{connect.NewError(connect.CodeUnavailable, errors.New("come back")), authclient.RetryLater},
	} {
		server := newServer(t, newMux(func(context.Context, string) (string, error) { return "", tt.err }, connectauth.WithGuard(guardtest.NewGuard(nil))))
		_, err := call(t.Context(), h2c(t), server.URL, auth.Unary, "hello", connectauth.WithToken(server.URL, source))
		if got := connectauth.RetryAdvice(err); got != tt.want {
			t.Errorf("%v: %v; want %v", err, got, tt.want)
		}
	}
}
