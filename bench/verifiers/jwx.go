package verifiers

import (
	"context"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/ostiary/ostiary/bench/issuer"
)

// JWX is github.com/lestrrat-go/jwx.
func JWX(_ context.Context, trust issuer.Trust) (Verify, error) {
	keys, err := jwk.Parse(trust.JWKS)
	if err != nil {
		return nil, err
	}
	options := []jwt.ParseOption{
		jwt.WithKeySet(keys),
		jwt.WithIssuer(issuer.URL),
		jwt.WithAudience(issuer.Audience),
		jwt.WithRequiredClaim(jwt.ExpirationKey),
		jwt.WithAcceptableSkew(5 * time.Second),
	}
	return func(_ context.Context, raw string) error {
		_, err := jwt.ParseString(raw, options...)
		return err
	}, nil
}
