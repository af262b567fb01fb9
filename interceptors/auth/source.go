package auth

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"
)

// A TokenSource gives the token for an outgoing call. It is asked once for each
// call and must be safe for concurrent use; caching and refreshing are its own
// affair.
//
// An empty token with a nil error sends the call without one.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// StaticToken is a TokenSource that always gives the same token.
type StaticToken string

// Token returns s.
func (s StaticToken) Token(context.Context) (string, error) { return string(s), nil }

// String hides the token, so that no log shows it.
func (s StaticToken) String() string { return "StaticToken(…)" }

// GoString hides the token, so that no log shows it.
func (s StaticToken) GoString() string { return "auth.StaticToken(…)" }

// TokenFunc is a function that is a TokenSource.
type TokenFunc func(ctx context.Context) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// OAuth2Token gives the access tokens of an oauth2.TokenSource, such as one for
// client credentials (RFC 6749, section 4.4). Wrap it in oauth2.ReuseTokenSource
// if it does not cache by itself.
func OAuth2Token(source oauth2.TokenSource) TokenSource {
	return TokenFunc(func(context.Context) (string, error) {
		token, err := source.Token()
		if err != nil {
			return "", fmt.Errorf("fetch an OAuth 2.0 access token: %w", err)
		}
		return token.AccessToken, nil
	})
}

// RelayCaller gives the token of the call that is being handled, so that a
// service further on sees the same caller. The callee can do with the token
// whatever the caller can: relay only to services that you trust as yourself.
//
// It needs the context of a guarded call; in any other it is an error.
func RelayCaller() TokenSource { return relay{} }

type relay struct{}

func (relay) Token(ctx context.Context) (string, error) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.identity == nil {
		return "", errors.New("no caller to relay: the context is not that of an authenticated call")
	}
	return BearerToken(a.header)
}
