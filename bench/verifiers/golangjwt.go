package verifiers

import (
	"context"
	"errors"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/ostiary/ostiary/bench/issuer"
)

// sessionClaims are what a user of golang-jwt declares to read a session token.
type sessionClaims struct {
	jwt.RegisteredClaims

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
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{trust.Algorithm}),
		jwt.WithIssuer(issuer.URL),
		jwt.WithAudience(issuer.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(5*time.Second),
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
