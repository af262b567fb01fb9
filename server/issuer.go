package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/loopback"
)

// An Issuer is one whose tokens are accepted, and what they must be like.
type Issuer struct {
	// URL is the exact iss claim. https, or http on a loopback address.
	// Required.
	URL string
	// Profile says where the issuer's tokens keep what: clerk, oidc, or another
	// name of token.ProfileNamed. Default: clerk.
	Profile string
	// JWKSURL is where the issuer's keys are. Default: with profile clerk
	// {URL}/.well-known/jwks.json, otherwise what discovery says (OpenID Connect
	// Discovery 1.0, section 4).
	JWKSURL string
	// JWTKey is the issuer's one public key in PEM, for verifying without any
	// network. Default: keys are fetched.
	JWTKey string
	// KeysSnapshot is a file that keeps the last keys that were fetched, so that
	// a restart while the issuer is away still serves. Default: none.
	KeysSnapshot string

	// Audiences are the values of aud of which a token must have one. Default:
	// aud is not judged.
	Audiences []string
	// AuthorizedParties are the values of azp of which a token must have one.
	// Default: azp is not judged.
	AuthorizedParties []string
	// AllowMissingAuthorizedParty accepts tokens without azp although
	// AuthorizedParties are given. Default: they are refused.
	AllowMissingAuthorizedParty bool
	// AllowAnyAudience accepts tokens that were made for any service. It must be
	// set where neither Audiences nor AuthorizedParties are, except for an http
	// issuer, which is on loopback and so for development. Default: refused.
	AllowAnyAudience bool

	// Algorithms are the accepted ones, such as RS256. Default: the profile's.
	Algorithms []string
	// Kinds are the accepted kinds of token. Default: those of the profile, which
	// are logged at start.
	Kinds []auth.Kind
	// Skew is how far the issuer's clock may be off. Negative means none.
	// Default: token.DefaultSkew.
	Skew time.Duration
	// MaxLifetime is the longest accepted time from iat to exp. Default:
	// token.DefaultMaxLifetime.
	MaxLifetime time.Duration
}

func (i *Issuer) profile() (token.Profile, error) {
	return token.ProfileNamed(cmp.Or(i.Profile, token.Clerk().Name))
}

// faults returns what is wrong, with settings relative to the issuer.
func (i *Issuer) faults() []Fault {
	var faults []Fault
	add := func(setting string, err error) {
		if err != nil {
			faults = append(faults, Fault{Setting: setting, Err: err})
		}
	}
	_, err := i.profile()
	add("profile", err)
	add("url", i.checkURL())
	if i.JWKSURL != "" {
		add("jwks_url", checkRemoteURL(i.JWKSURL))
	}
	add("jwt_key", i.checkKey())
	if i.KeysSnapshot != "" {
		add("keys_snapshot", jwks.CheckSnapshot(i.KeysSnapshot))
	}
	add("audiences", i.checkAudience())
	add("audiences", checkEntries(i.Audiences))
	add("authorized_parties", checkEntries(i.AuthorizedParties))
	for _, algorithm := range i.Algorithms {
		if !slices.Contains(token.OIDC().Algorithms, algorithm) {
			add("algorithms", fmt.Errorf("%q is not supported; use %s", algorithm, strings.Join(token.OIDC().Algorithms, ", ")))
		}
	}
	if i.Skew > token.MaxSkew {
		add("skew", fmt.Errorf("is over %s; set the clocks right instead", token.MaxSkew))
	}
	if i.MaxLifetime < 0 {
		add("max_lifetime", errors.New("must not be negative; write a duration such as 24h"))
	}
	return faults
}

func (i *Issuer) checkURL() error {
	if err := checkRemoteURL(i.URL); err != nil {
		return err
	}
	if profile, err := i.profile(); err == nil && profile.Name == token.Clerk().Name && strings.HasSuffix(i.URL, "/") {
		return fmt.Errorf("%q ends in a slash, which Clerk's iss claim never does; remove it", i.URL)
	}
	return nil
}

func (i *Issuer) checkKey() error {
	if i.JWTKey == "" {
		return nil
	}
	if i.JWKSURL != "" {
		return mentionf("given beside %s; keep one of them: a fixed key, or keys that are fetched", settingName("jwks_url"))
	}
	_, err := jwks.ParsePEM([]byte(i.JWTKey))
	return err
}

func checkEntries(list []string) error {
	if slices.Contains(list, "") {
		return errors.New("an empty entry would match nothing; remove it")
	}
	return nil
}

// checkAudience keeps a service from accepting tokens made for any other.
func (i *Issuer) checkAudience() error {
	if !i.anyAudience() || i.AllowAnyAudience || i.exempt() {
		return nil
	}
	return mentionf("neither %s nor %s is given, so a token made for any other service would be accepted here; give one of them, or set %s",
		settingName("audiences"), settingName("authorized_parties"), settingName("allow_any_audience"))
}

func (i *Issuer) anyAudience() bool {
	return len(i.Audiences) == 0 && len(i.AuthorizedParties) == 0
}

// exempt reports whether any audience is accepted without being asked for: from
// an issuer for development, which is on plain http and so on loopback.
func (i *Issuer) exempt() bool {
	return i.anyAudience() && !i.AllowAnyAudience && strings.HasPrefix(i.URL, "http://")
}

// checkRemoteURL holds an issuer, or the address of its keys, to https, since
// whoever can change the keys can sign every token.
func checkRemoteURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return errors.New("missing; set it to the exact iss claim of the tokens, such as https://clerk.example.com")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is not a URL; write https://host/path", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("has a user, a query or a fragment; write scheme, host and path alone")
	case u.Scheme == "http" && !loopback.Host(u.Hostname()):
		return fmt.Errorf("%q is plain http, which is allowed on loopback alone; use https", s)
	}
	return nil
}

// keys opens the issuer's key set. The remote is nil where the key was given.
func (i *Issuer) keys(now func() time.Time, log *slog.Logger) (jwks.Set, *jwks.Remote, error) {
	if i.JWTKey != "" {
		set, err := jwks.ParsePEM([]byte(i.JWTKey))
		return set, nil, err
	}
	config := jwks.RemoteConfig{URL: i.JWKSURL, Snapshot: i.KeysSnapshot, Now: now, Logger: log}
	if config.URL == "" {
		if i.Profile == "" || i.Profile == token.Clerk().Name {
			config.URL = i.URL + "/.well-known/jwks.json"
		} else {
			config.Issuer = i.URL
		}
	}
	remote, err := jwks.NewRemote(config)
	return remote, remote, err
}

// longestLifetime returns how long a token can be accepted that is issued now.
func (c Config) longestLifetime() time.Duration {
	var longest time.Duration
	for _, issuer := range c.Issuers {
		// The issuer's clock may be ahead of ours by as much as the skew, too.
		lifetime := cmp.Or(issuer.MaxLifetime, token.DefaultMaxLifetime)
		longest = max(longest, lifetime+2*issuer.skew())
	}
	return longest
}

// skews are those of the issuers that are trusted, by their URL.
func (c Config) skews() map[string]time.Duration {
	skews := make(map[string]time.Duration, len(c.Issuers))
	for _, issuer := range c.Issuers {
		skews[issuer.URL] = issuer.skew()
	}
	return skews
}

// skew is Skew as tokens are judged by it.
func (i *Issuer) skew() time.Duration { return max(cmp.Or(i.Skew, token.DefaultSkew), 0) }
