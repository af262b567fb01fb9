package authclient

import "context"

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
