package verifiers

import (
	"context"

	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/ostiary/ostiary/bench/issuer"
)

// Auth0 is the validator of github.com/auth0/go-jwt-middleware.
func Auth0(_ context.Context, trust issuer.Trust) (Verify, error) {
	keys, err := jwk.Parse(trust.JWKS)
	if err != nil {
		return nil, err
	}
	v, err := validator.New(
		validator.WithKeyFunc(func(context.Context) (any, error) { return keys, nil }),
		validator.WithAlgorithm(validator.SignatureAlgorithm(trust.Algorithm)),
		validator.WithIssuer(issuer.URL),
		validator.WithAudience(issuer.Audience),
	)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, raw string) error {
		_, err := v.ValidateToken(ctx, raw)
		return err
	}, nil
}
