package verifiers

import (
	"context"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// Ours is ostiary as it is used: with its cache of verified tokens, and keys
// that were fetched and can be withdrawn.
func Ours(ctx context.Context, trust issuer.Trust) (Verify, error) {
	return ours(ctx, trust, token.Config{})
}

// OursCold is ostiary with its cache off: every token is verified in full.
func OursCold(ctx context.Context, trust issuer.Trust) (Verify, error) {
	return ours(ctx, trust, token.Config{CacheEntries: -1})
}

func ours(ctx context.Context, trust issuer.Trust, config token.Config) (Verify, error) {
	keys, err := Keys(ctx, trust)
	if err != nil {
		return nil, err
	}
	verifier, err := NewOurs(trust, keys, config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, raw string) error {
		_, err := verifier.Verify(ctx, raw)
		return err
	}, nil
}

// Keys returns the issuer's key set, fetched from memory and closed when ctx is
// done.
func Keys(ctx context.Context, trust issuer.Trust) (*jwks.Remote, error) {
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: issuer.JWKSURL, Client: trust.Client()}) //nolint:contextcheck // keys are fetched for all callers alike
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = keys.Close() })
	return keys, nil
}

// NewOurs returns ostiary's verifier with the given keys, and cache settings as
// in config.
func NewOurs(trust issuer.Trust, keys jwks.Set, config token.Config) (*token.Verifier, error) {
	config.Issuers = []token.Issuer{{
		URL:               issuer.URL,
		Keys:              keys,
		Profile:           token.Clerk(),
		Audiences:         []string{issuer.Audience},
		AuthorizedParties: []string{issuer.Party},
		Algorithms:        []string{trust.Algorithm},
	}}
	return token.New(config)
}
