// Package authclient is for programs that call guarded services: where a token
// comes from ([TokenSource]), and how streams are kept open although tokens
// expire ([Retry]).
//
// A client is given a source by the adapter of its transport:
//
//	source, err := authclient.ClientCredentials(endpoint, authclient.TokenTarget{Audience: api})
//	client := invoicev1connect.NewInvoiceServiceClient(http.DefaultClient, api, connectauth.WithToken(api, source))
//
// and with grpc-go by grpcauth.Credentials(source). [ClientCredentials] are a program's
// own tokens. What is called in a caller's name has that caller's token ([RelayCaller]),
// or better one that it was exchanged for ([ExchangeCaller]). Nothing here knows a
// transport.
package authclient

import (
	"context"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/ostiary/ostiary/interceptors/auth"
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
func (s StaticToken) GoString() string { return "authclient.StaticToken(…)" }

// TokenFunc is a function that is a TokenSource.
type TokenFunc func(ctx context.Context) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// OAuth2Token gives the access tokens of an oauth2.TokenSource, such as one that refreshes
// a user's token (RFC 6749, section 6). Wrap it in oauth2.ReuseTokenSource if it does not
// cache by itself. For client credentials see [ClientCredentials].
//
// Its errors do not repeat the answer of the token endpoint.
func OAuth2Token(source oauth2.TokenSource) TokenSource {
	return TokenFunc(func(context.Context) (string, error) {
		token, err := source.Token()
		if err != nil {
			return "", fmt.Errorf("fetch an OAuth 2.0 access token: %w", withoutAnswer(err))
		}
		return token.AccessToken, nil
	})
}

// RelayCaller gives the token of the call that is being handled, so that a
// service further on sees the same caller ([auth.CallerToken]). That service can
// do with the token whatever the caller can: relay only to services that you
// trust as your own.
//
// It needs the context of a guarded call that was made with a token that still counts;
// in any other it is an error. See [ExchangeCaller] for services that must not get the
// caller's own token.
func RelayCaller() TokenSource {
	return TokenFunc(func(ctx context.Context) (string, error) {
		token, err := auth.CallerToken(ctx)
		if err != nil {
			return "", fmt.Errorf("no caller to relay: %w", err)
		}
		return token, nil
	})
}

type freshKey struct{}

// WantFreshToken returns a context that asks for a token which has not been used
// yet: the last one was refused because it had expired, or soon will be.
func WantFreshToken(ctx context.Context) context.Context {
	return context.WithValue(ctx, freshKey{}, true)
}

// FreshTokenWanted reports whether a call asks for a token which has not been
// used yet. A TokenSource that caches looks at it, and fetches a new one.
func FreshTokenWanted(ctx context.Context) bool {
	wanted, _ := ctx.Value(freshKey{}).(bool)
	return wanted
}
