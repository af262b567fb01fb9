package token

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// The defaults of Config and Issuer.
const (
	DefaultMaxTokenBytes = 8 << 10
	DefaultSkew          = 5 * time.Second
	DefaultMaxLifetime   = 24 * time.Hour
	DefaultCacheEntries  = 100_000
	DefaultCacheBytes    = 128 << 20
)

// MaxSkew is the most that an Issuer's Skew may be: clocks that are further off
// are to be set right.
const MaxSkew = 10 * time.Minute

// Config says whose tokens a Verifier accepts.
type Config struct {
	// Issuers are the issuers that are trusted. At least one; no two with the
	// same URL.
	Issuers []Issuer
	// MaxTokenBytes is the longest token that is read. 0 means
	// DefaultMaxTokenBytes.
	MaxTokenBytes int
	// CacheEntries is how many verified tokens are remembered at most, so that
	// their signature is checked once. A token has few places where it can be, so
	// that as many tokens as there are places leave one place in seven free.
	// 0 means DefaultCacheEntries, negative none.
	CacheEntries int
	// CacheBytes is how much memory they may take. 0 means DefaultCacheBytes.
	CacheBytes int64
	// Now is the clock that times are judged by. nil means time.Now.
	Now func() time.Time
}

// An Issuer is one that is trusted, and what its tokens must be like.
type Issuer struct {
	// URL is the exact iss claim, a trailing slash included. Required.
	URL string
	// Keys are the issuer's public keys. Required.
	Keys jwks.Set
	// Profile says where the claims are. The zero value is OIDC().
	Profile Profile
	// Audiences are the values of aud of which a token must have one. Empty
	// leaves aud unjudged.
	Audiences []string
	// AuthorizedParties are the values of azp of which a token must have one.
	// Empty leaves azp unjudged.
	AuthorizedParties []string
	// AllowMissingAuthorizedParty lets tokens without azp through although
	// AuthorizedParties are given: those that a backend has issued have none.
	AllowMissingAuthorizedParty bool
	// AllowAnyAudience must be set when neither Audiences nor AuthorizedParties
	// are given. It accepts tokens that the issuer made for somebody else's
	// service, which that service can then use here.
	AllowAnyAudience bool
	// Algorithms are the accepted ones (RFC 7518, section 3.1). EdDSA and Ed25519
	// (RFC 9864) are the same. Empty means those of the profile.
	Algorithms []string
	// Kinds are the accepted kinds of token. Empty means sessions alone, and
	// with Clerk's profile and Audiences templates too, since an audience is
	// what templates are made for.
	Kinds []auth.Kind
	// Skew is how far the issuer's clock may be off. 0 means DefaultSkew,
	// negative means none. At most MaxSkew.
	Skew time.Duration
	// MaxLifetime is the longest accepted time from iat to exp. 0 means
	// DefaultMaxLifetime.
	MaxLifetime time.Duration
}

// normalize fills in the defaults and returns everything that is wrong.
func (i *Issuer) normalize() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("issuer %q: "+format, append([]any{i.URL}, args...)...))
	}
	if i.URL == "" {
		fault("URL must be the exact iss claim, such as https://clerk.example.com")
	}
	if i.Keys == nil {
		fault("Keys are required: use jwks.NewRemote, or jwks.ParsePEM for one key without network")
	}
	if reflect.ValueOf(i.Profile).IsZero() {
		i.Profile = OIDC()
	}
	if err := i.Profile.check(); err != nil {
		fault("%w", err)
	}
	i.Profile.expand(i.Audiences)
	if len(i.Audiences) == 0 && len(i.AuthorizedParties) == 0 && !i.AllowAnyAudience {
		fault("give Audiences or AuthorizedParties, or set AllowAnyAudience to accept tokens made for any service")
	}
	if slices.Contains(i.Audiences, "") || slices.Contains(i.AuthorizedParties, "") {
		fault("an empty audience or authorized party would match nothing: remove it")
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = i.Profile.Algorithms
	}
	i.Algorithms = slices.Clone(i.Algorithms)
	for n, algorithm := range i.Algorithms {
		i.Algorithms[n] = jwks.CanonicalAlgorithm(algorithm)
		if !slices.Contains(OIDC().Algorithms, i.Algorithms[n]) {
			fault("algorithm %q is not supported: use RS256…512, PS256…512, ES256…512, or EdDSA, which is also Ed25519", algorithm)
		}
	}
	if len(i.Kinds) == 0 {
		i.Kinds = []auth.Kind{auth.KindSession}
		if i.Profile.Name == Clerk().Name && len(i.Audiences) > 0 {
			i.Kinds = append(i.Kinds, auth.KindTemplate)
		}
	}
	if slices.Contains(i.Kinds, 0) {
		fault("the zero Kind is no kind of token")
	}
	switch {
	case i.Skew == 0:
		i.Skew = DefaultSkew
	case i.Skew < 0:
		i.Skew = 0
	case i.Skew > MaxSkew:
		fault("Skew is over %s: set the clocks right instead", MaxSkew)
	}
	switch {
	case i.MaxLifetime == 0:
		i.MaxLifetime = DefaultMaxLifetime
	case i.MaxLifetime < 0:
		fault("MaxLifetime is negative")
	}
	return errors.Join(faults...)
}
