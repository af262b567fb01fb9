package connectauth

import (
	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// RetryAdvice returns what to do about the error of a client's call, for
// [authclient.Retry].
func RetryAdvice(err error) authclient.Advice {
	if reason, ok := ReasonOf(err); ok {
		return authclient.AdviceForReason(reason)
	}
	return authclient.AdviceForCode(auth.Code(connect.CodeOf(err)))
}
