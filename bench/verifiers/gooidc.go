package verifiers

import (
	"context"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/ostiary/ostiary/bench/issuer"
)

// GoOIDC is github.com/coreos/go-oidc with its fetching key set: its static one
// parses every token twice.
func GoOIDC(ctx context.Context, trust issuer.Trust) (Verify, error) {
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, trust.Client()), issuer.JWKSURL)
	verifier := oidc.NewVerifier(issuer.URL, keys, &oidc.Config{
		ClientID:             issuer.Audience,
		SupportedSigningAlgs: []string{trust.Algorithm},
	})
	return func(ctx context.Context, raw string) error {
		_, err := verifier.Verify(ctx, raw)
		return err
	}, nil
}
