package grpcauth

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// RetryAdvice returns what to do about the error of a client's call, for
// [authclient.Retry], and the delay that the server has asked for in a
// google.rpc.RetryInfo; 0 if it has not.
func RetryAdvice(err error) (advice authclient.Advice, retryAfter time.Duration) {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			retryAfter = max(info.GetRetryDelay().AsDuration(), 0)
		}
	}
	if reason, ok := ReasonOf(err); ok {
		return authclient.AdviceForReason(reason, retryAfter), retryAfter
	}
	return authclient.AdviceForCode(auth.Code(status.Code(err)), retryAfter), retryAfter
}
