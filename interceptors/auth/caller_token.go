package auth

import (
	"context"
	"errors"
)

// CallerToken returns the bearer token of the call that is being handled, for
// handing it on to another service (authclient.RelayCaller). Whoever has the
// token can do everything the caller can: keep it out of logs and errors.
//
// In a stream that another call of the same session has renewed it is the token
// of that call, as [Current] is its identity.
//
// It returns an error when ctx is not that of an admitted call, when the caller
// is anonymous, and when the call carried its token elsewhere than in its
// Authorization header.
func CallerToken(ctx context.Context) (string, error) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.identity == nil {
		return "", errors.New("the context is not that of an authenticated call")
	}
	if a.stream != nil {
		if token, renewed := a.stream.bearerToken(); token != "" {
			return token, nil
		} else if renewed {
			return "", errors.New("the call that renewed the stream carried no token in its Authorization header")
		}
	}
	return BearerToken(a.call.Header)
}
