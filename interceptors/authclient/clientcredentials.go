package authclient

import (
	"context"
	"fmt"
	"net/url"
)

// ClientCredentials gives tokens of this program's own (RFC 6749, section 4.4):
//
//	source, err := authclient.ClientCredentials(authclient.TokenEndpoint{
//		URL:          "https://example.eu.auth0.com/oauth/token",
//		ClientID:     "billing",
//		ClientSecret: os.Getenv("CLIENT_SECRET"),
//	}, authclient.TokenTarget{Audience: "https://api.example.com"})
//
// A token is kept until a minute before its expiry, or until two thirds of its lifetime
// have passed; one without expires_in is kept for a minute. Then one call fetches the
// next, while others go on with the old one, and where the endpoint fails the old one
// serves until it expires. After a failure the endpoint is left alone for about a second,
// which grows with each failure up to 30 seconds, and calls that need a token fail with
// the last error meanwhile. Calls that want a fresh token ([WantFreshToken]) share one that is at
// most 5 seconds old.
//
// Errors never hold a token, the secret or the answer of the endpoint. The source is safe
// for concurrent use and needs no Close. It returns an error for settings that cannot
// work, and does not ask the endpoint yet.
func ClientCredentials(endpoint TokenEndpoint, target TokenTarget) (TokenSource, error) {
	request, err := newRequest(endpoint, target, url.Values{})
	if err != nil {
		return nil, fmt.Errorf("authclient.ClientCredentials: %w", err)
	}
	cached := newCachedToken(request.endpoint.Now)
	fetch := func(ctx context.Context) (issuedToken, error) { return request.send(ctx, nil) }
	return TokenFunc(func(ctx context.Context) (string, error) { return cached.get(ctx, fetch) }), nil
}
