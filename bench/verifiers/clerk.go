package verifiers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"github.com/ostiary/ostiary/bench/issuer"
)

// Clerk is github.com/clerk/clerk-sdk-go, handed its key. Its HTTP middleware
// parses every token once more.
func Clerk(_ context.Context, trust issuer.Trust) (Verify, error) {
	var published struct{ Keys []*clerk.JSONWebKey }
	if err := json.Unmarshal(trust.JWKS, &published); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(published.Keys, func(k *clerk.JSONWebKey) bool { return k.Algorithm == trust.Algorithm })
	if i < 0 {
		return nil, fmt.Errorf("no key for %s in the set", trust.Algorithm)
	}
	return func(ctx context.Context, raw string) error {
		_, err := jwt.Verify(ctx, &jwt.VerifyParams{
			Token:                  raw,
			JWK:                    published.Keys[i],
			AuthorizedPartyHandler: func(party string) bool { return party == issuer.Party },
		})
		return err
	}, nil
}
