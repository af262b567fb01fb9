// Package token turns a bearer token into an identity, or into a reason to
// refuse it.
//
//	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: "https://clerk.example.com/.well-known/jwks.json"})
//	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
//		URL:               "https://clerk.example.com",
//		Profile:           token.Clerk(),
//		Keys:              keys,
//		AuthorizedParties: []string{"https://app.example.com"},
//	}}})
//	identity, err := verifier.Verify(ctx, raw)
//
// A token is a JWT (RFC 7519) in JWS compact serialisation (RFC 7515), verified
// as RFC 8725 advises: the text is parsed strictly, the issuer that it claims
// chooses the key set and nothing else, the algorithm must be on the issuer's
// list and be the key's own, and the signature is checked before any claim is
// judged. A token never causes a request to an address that it names.
package token

import (
	"log/slog"
	"time"
)

// The defaults of Config and Issuer.
const (
	DefaultMaxTokenBytes = 8 << 10
	DefaultSkew          = 5 * time.Second
	DefaultMaxLifetime   = 24 * time.Hour
	DefaultCacheEntries  = 100_000
	DefaultCacheBytes    = 128 << 20
)

// MaxSkew is the largest Skew of an Issuer. A clock that is further off must be
// corrected.
const MaxSkew = 10 * time.Minute

// Config says whose tokens a Verifier accepts.
type Config struct {
	// Issuers are the issuers that are trusted. At least one; no two with the
	// same URL or alias.
	Issuers []Issuer
	// MaxTokenBytes is the longest token that is read, of an issuer that does not
	// set its own limit. 0 means that of the issuer's profile, which is
	// DefaultMaxTokenBytes for nearly all.
	MaxTokenBytes int
	// CacheEntries is how many verified tokens are remembered at most, so that
	// their signature is checked once. A token has few places where it can be, so
	// that as many tokens as there are places leave one place in seven free.
	// 0 means DefaultCacheEntries, negative none.
	CacheEntries int
	// CacheBytes is how much memory they may take. 0 means DefaultCacheBytes.
	CacheBytes int64
	// Now is the clock. nil means time.Now.
	Now func() time.Time
	// Logger gets a warning when a claim of a valid token cannot be read and so
	// grants nothing: at most one a minute for each claim of each issuer, and at most
	// 100 a minute of all. The line has the issuer and the claim's name, never its
	// value. nil means slog.Default(), and slog.New(slog.DiscardHandler) logs nothing.
	Logger *slog.Logger
}
