// Package verifiers holds the verifiers that are compared, each used as its own
// documentation advises and as quick as it can be had: a key set that is there
// already, typed claims, nothing verified twice.
//
//	verify, err := verifiers.GolangJWT(ctx, iss.Trust())
//	err = verify(ctx, token)
//
// Each is told to insist on the algorithm, the issuer, the audience and the
// times; ostiary, and golang-jwt by hand, on the authorized party too. All of
// them give the claims as Go values.
package verifiers

import (
	"context"

	"github.com/ostiary/ostiary/bench/issuer"
)

// Verify verifies one token.
type Verify func(ctx context.Context, token string) error

// A Verifier is one of those compared. New may keep something running until ctx
// is done.
type Verifier struct {
	Name   string
	Module string // whose version is told; empty for ostiary
	New    func(ctx context.Context, trust issuer.Trust) (Verify, error)
}

// All returns ostiary without its cache, and then its peers.
func All() []Verifier {
	return []Verifier{
		{"ostiary, cold", "", OursCold},
		{"golang-jwt + keyfunc", "github.com/golang-jwt/jwt/v5", GolangJWT},
		{"go-oidc", "github.com/coreos/go-oidc/v3", GoOIDC},
		{"jwx", "github.com/lestrrat-go/jwx/v3", JWX},
		{"clerk-sdk-go", "github.com/clerk/clerk-sdk-go/v2", Clerk},
		{"go-jwt-middleware", "github.com/auth0/go-jwt-middleware/v3", Auth0},
	}
}
