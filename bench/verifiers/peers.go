package verifiers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkjwt "github.com/clerk/clerk-sdk-go/v2/jwt"
	"github.com/coreos/go-oidc/v3/oidc"
	gojwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/ostiary/ostiary/bench/issuer"
)

// sessionClaims are what a user of golang-jwt declares to read a session token.
type sessionClaims struct {
	gojwt.RegisteredClaims

	AuthorizedParty string `json:"azp"`
	SessionID       string `json:"sid"`
	Features        string `json:"fea"`
	Plan            string `json:"pla"`
	FactorAges      []int  `json:"fva"`
	Organization    struct {
		ID          string `json:"id"`
		Slug        string `json:"slg"`
		Role        string `json:"rol"`
		Permissions string `json:"per"`
		Masks       string `json:"fpm"`
	} `json:"o"`
}

// GolangJWT is github.com/golang-jwt/jwt with keys of
// github.com/MicahParks/keyfunc.
func GolangJWT(_ context.Context, trust issuer.Trust) (Verify, error) {
	keys, err := keyfunc.NewJWKSetJSON(trust.JWKS)
	if err != nil {
		return nil, err
	}
	parser := gojwt.NewParser(
		gojwt.WithValidMethods([]string{trust.Algorithm}),
		gojwt.WithIssuer(issuer.URL),
		gojwt.WithAudience(issuer.Audience),
		gojwt.WithExpirationRequired(),
		gojwt.WithIssuedAt(),
		gojwt.WithLeeway(5*time.Second),
	)
	return func(_ context.Context, raw string) error {
		var claims sessionClaims
		if _, err := parser.ParseWithClaims(raw, &claims, keys.Keyfunc); err != nil {
			return err
		}
		if claims.AuthorizedParty != issuer.Party {
			return errors.New("another authorized party")
		}
		return nil
	}, nil
}

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
		_, err := clerkjwt.Verify(ctx, &clerkjwt.VerifyParams{
			Token:                  raw,
			JWK:                    published.Keys[i],
			AuthorizedPartyHandler: func(party string) bool { return party == issuer.Party },
		})
		return err
	}, nil
}

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
