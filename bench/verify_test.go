package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkjwt "github.com/clerk/clerk-sdk-go/v2/jwt"
	"github.com/coreos/go-oidc/v3/oidc"
	gojwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

func BenchmarkCold(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(algorithm+"/signature check alone", func(b *testing.B) {
			iss := newIssuer(b, algorithm)
			verify := signatureCheck(iss.trust, iss.token(0))
			measure(b, usage, 1, func(int) error { return verify(b.Context(), "") })
		})
		b.Run(algorithm+"/ostiary, signature check alone", func(b *testing.B) {
			iss := newIssuer(b, algorithm)
			verify := keyCheck(iss.trust, iss.token(0))
			measure(b, usage, 1, func(int) error { return verify(b.Context(), "") })
		})
		for _, v := range verifiers {
			b.Run(algorithm+"/"+v.name, func(b *testing.B) { benchmarkVerifier(b, algorithm, v.new) })
		}
	}
}

func benchmarkVerifier(b *testing.B, algorithm string, prepare func(Trust) verifyFunc) {
	b.Helper()
	iss := newIssuer(b, algorithm)
	raw, verify := iss.token(0), prepare(iss.trust)
	measure(b, usage, 1, func(int) error { return verify(b.Context(), raw) })
}

// The cache finds a token by its hash, which no implementation that keeps no tokens
// can do without.
func BenchmarkWarm(b *testing.B) {
	b.Run("SHA-256 of the token alone", func(b *testing.B) {
		raw := []byte(newIssuer(b, "RS256").token(0))
		measure(b, usage, 1, func(int) error { sha256.Sum256(raw); return nil })
	})
	b.Run("ostiary, warm", func(b *testing.B) { benchmarkVerifier(b, "RS256", ostiaryWarm) })
}

// BenchmarkCores shows whether callers on two cores slow each other down. It
// reports elapsed time, since CPU time leaves waiting out.
func BenchmarkCores(b *testing.B) {
	for cores := 1; cores <= 2; cores++ {
		b.Run(fmt.Sprintf("ostiary, cores: %d", cores), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			iss := newIssuer(b, "EdDSA")
			tokens, verify := iss.tokens(64), ostiaryWarm(iss.trust)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					check(verify(b.Context(), tokens[i%len(tokens)]))
				}
			})
		})
	}
}

// BenchmarkMemory reports what the heap keeps for each token in the cache. Of one
// identity in ten, a weak pointer tells whether the cache holds it.
func BenchmarkMemory(b *testing.B) {
	b.Run("ostiary", func(b *testing.B) {
		n, iss := size(100_000, 2000), newIssuer(b, "EdDSA")
		verifier, sample := newVerifier(iss.trust, n), make([]weak.Pointer[auth.Identity], n/10)
		before := usage(true)
		check(concurrently(runtime.GOMAXPROCS(0), n, func(i int) error {
			id, err := verifier.Verify(b.Context(), iss.token(i))
			if i%10 == 0 {
				sample[i/10] = weak.Make(id)
			}
			return err
		}))
		grown, held := usage(true).since(before, n)["heap-bytes"], 0.0
		for _, id := range sample {
			if id.Value() != nil {
				held += 1 / float64(len(sample))
			}
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(grown/held, "heap-bytes/token")
		b.ReportMetric(100*held, "held-%")
		runtime.KeepAlive(verifier)
	})
}

type verifyFunc func(ctx context.Context, token string) error

// verifiers are those compared, each used as its own documentation advises and as
// fast as it can be: the key set is there already, claims are typed, nothing is
// verified twice. Each insists on the algorithm, the issuer, the audience and the
// times; ostiary, golang-jwt and clerk-sdk-go on the authorized party too.
var verifiers = []struct {
	name string
	new  func(Trust) verifyFunc
}{
	{"ostiary, cold", ostiaryCold},
	{"golang-jwt + keyfunc", golangJWT},
	{"go-oidc", goOIDC},
	{"jwx", jwx},
	{"clerk-sdk-go", clerkSDK},
	{"go-jwt-middleware", auth0},
}

// onlyError leaves the claims out.
func onlyError[T any](verify func(context.Context, string) (T, error)) verifyFunc {
	return func(ctx context.Context, raw string) error {
		_, err := verify(ctx, raw)
		return err
	}
}

func ostiaryWarm(trust Trust) verifyFunc { return onlyError(newVerifier(trust, 0).Verify) }
func ostiaryCold(trust Trust) verifyFunc { return onlyError(newVerifier(trust, -1).Verify) }

// newVerifier returns ostiary's, with keys that are fetched and can be withdrawn. It
// caches 100 000 tokens if cacheEntries is 0, and none if it is negative.
func newVerifier(trust Trust, cacheEntries int) *token.Verifier {
	return must(token.New(token.Config{CacheEntries: cacheEntries, CacheBytes: 1 << 40, Issuers: []token.Issuer{{
		URL: issuerURL, Keys: must(jwks.NewRemote(jwks.RemoteConfig{URL: trust.JWKSURL})), Profile: token.Clerk(),
		Algorithms: []string{trust.Algorithm}, Audiences: []string{audience}, AuthorizedParties: []string{party},
	}}}))
}

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

func golangJWT(trust Trust) verifyFunc {
	keys := must(keyfunc.NewJWKSetJSON(trust.JWKS))
	parser := gojwt.NewParser(gojwt.WithValidMethods([]string{trust.Algorithm}), gojwt.WithIssuer(issuerURL), gojwt.WithAudience(audience),
		gojwt.WithExpirationRequired(), gojwt.WithIssuedAt(), gojwt.WithLeeway(5*time.Second))
	return func(_ context.Context, raw string) error {
		var claims sessionClaims
		_, err := parser.ParseWithClaims(raw, &claims, keys.Keyfunc)
		if err == nil && claims.AuthorizedParty != party {
			err = errors.New("another authorized party")
		}
		return err
	}
}

// goOIDC uses the key set that fetches: the static one parses every token twice.
func goOIDC(trust Trust) verifyFunc {
	keys := oidc.NewRemoteKeySet(context.Background(), trust.JWKSURL)
	verifier := oidc.NewVerifier(issuerURL, keys, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{trust.Algorithm}})
	return onlyError(verifier.Verify)
}

func jwx(trust Trust) verifyFunc {
	options := []jwt.ParseOption{
		jwt.WithKeySet(must(jwk.Parse(trust.JWKS))), jwt.WithIssuer(issuerURL), jwt.WithAudience(audience),
		jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithAcceptableSkew(5 * time.Second),
	}
	return onlyError(func(_ context.Context, raw string) (jwt.Token, error) { return jwt.ParseString(raw, options...) })
}

// clerkSDK is given its key. Its HTTP middleware parses every token once more.
func clerkSDK(trust Trust) verifyFunc {
	var published struct{ Keys []*clerk.JSONWebKey }
	check(json.Unmarshal(trust.JWKS, &published))
	params := clerkjwt.VerifyParams{JWK: published.Keys[0], AuthorizedPartyHandler: func(p string) bool { return p == party }}
	return onlyError(func(ctx context.Context, raw string) (*clerk.SessionClaims, error) {
		params := params
		params.Token = raw
		return clerkjwt.Verify(ctx, &params)
	})
}

// auth0 is the validator of go-jwt-middleware.
func auth0(trust Trust) verifyFunc {
	keys := must(jwk.Parse(trust.JWKS))
	v := must(validator.New(validator.WithKeyFunc(func(context.Context) (any, error) { return keys, nil }),
		validator.WithAlgorithm(validator.SignatureAlgorithm(trust.Algorithm)), validator.WithIssuer(issuerURL), validator.WithAudience(audience)))
	return onlyError(v.ValidateToken)
}

// signatureCheck is the least that verifying this token can cost: the standard
// library hashes what is signed and checks the signature, with the key parsed and
// the signature in the form that it wants.
func signatureCheck(trust Trust, raw string) verifyFunc {
	signed, signature := splitSignature(raw)
	switch public := publicKey(trust).(type) {
	case *rsa.PublicKey:
		return func(context.Context, string) error {
			digest := sha256.Sum256(signed)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		}
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		encoded := must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))
		return func(context.Context, string) error {
			if digest := sha256.Sum256(signed); !ecdsa.VerifyASN1(public, digest[:], encoded) {
				return errors.New("the signature does not match")
			}
			return nil
		}
	default:
		return func(context.Context, string) error {
			return ed25519.VerifyWithOptions(public.(ed25519.PublicKey), signed, signature, new(ed25519.Options))
		}
	}
}

// keyCheck is what ostiary has in its place: a key of package jwks.
func keyCheck(trust Trust, raw string) verifyFunc {
	signed, signature := splitSignature(raw)
	key := must(jwks.NewKey("", publicKey(trust), trust.Algorithm))
	return func(context.Context, string) error { return key.Verify(trust.Algorithm, signed, signature) }
}

func splitSignature(raw string) (signed, signature []byte) {
	dot := strings.LastIndexByte(raw, '.')
	return []byte(raw[:dot]), must(base64.RawURLEncoding.DecodeString(raw[dot+1:]))
}

func publicKey(trust Trust) crypto.PublicKey {
	block, _ := pem.Decode(trust.PEM)
	return must(x509.ParsePKIXPublicKey(block.Bytes))
}
