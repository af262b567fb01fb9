// Package ostiary makes the guard of a server in one call:
//
//	guard, err := ostiary.New(ostiary.Config{
//		Issuer:    "https://clerk.example.com",
//		Audiences: []string{"https://api.example.com"},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer guard.Close()
//
// The adapter of the transport takes it: connectauth for connect-go, grpcauth for
// grpc-go, httpauth for net/http, all below interceptors. Those who need more than
// [Config] has put an [auth.Guard] together from the same parts: token, jwks, policy and
// revocation, which are there as well.
package ostiary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/loopback"
)

// DevIssuer is the issuer of `ostiary dev`.
const DevIssuer = "http://localhost:8080"

// Config says whose tokens are accepted, and by which rules. The zero value accepts
// those of `ostiary dev`, by the rules in the schema.
type Config struct {
	// Issuer is whose tokens are accepted: the exact iss claim, an https URL, or http on
	// a loopback address. Default, if the fields from Profile to Issuers are empty too:
	// DevIssuer, of which New warns. To say more of it, name it here.
	Issuer string
	// Profile is the name of the issuer's profile, which says where its tokens keep
	// what, as of [token.ProfileNamed]. Default: that of [token.ProfileOf]; for DevIssuer
	// clerk.
	Profile string
	// Audiences are the values of aud of which a token must have one. It, or
	// AuthorizedParties, or AllowAnyAudience is required, but for an issuer on a loopback
	// address.
	Audiences []string
	// AuthorizedParties are the values of azp of which a token must have one, such as
	// the origin of a web application. Default: azp is not checked.
	AuthorizedParties []string
	// AllowAnyAudience accepts tokens that the issuer made for any service, which that
	// service can use here.
	AllowAnyAudience bool
	// FirstPartyClients are the OAuth clients through which users act in person, such as
	// your own page. A user's token for one of them is a session (auth.KindSession); for any
	// other client it is of auth.KindOAuth. Default: no client is known.
	FirstPartyClients []string
	// Kinds are the accepted kinds of token; others are refused with
	// TOKEN_KIND_UNSUPPORTED. Name auth.KindMachine where services call each other.
	// Default: those of the profile, of which templates only with Audiences; and machines
	// too for profile clerk on a loopback address, which is `ostiary dev`, since it issues
	// such tokens.
	Kinds []auth.TokenKind
	// Issuers are further issuers, with all that can be said of them, or the only ones
	// where Issuer is empty. Where one has no Keys, they are fetched as its Profile says;
	// one on a loopback address needs no audience, as Issuer does not.
	Issuers []token.Issuer

	// Rules are added to those of the schemas that are linked into the program
	// ([policy.Linked]): overrides, and condition.Enable() where rules have conditions.
	Rules []policy.Option

	// LoadUser returns the application's own user of a caller, as [auth.Guard] says.
	// Optional.
	LoadUser func(ctx context.Context, id *auth.Identity) (any, error)
	// Revocations says which tokens count no longer: a revocation.List that the program
	// fills, or a feed.Follower, which keeps one equal to a hub's. Optional; without it a
	// token counts until it expires.
	Revocations auth.Revocations
	// Observer sees every decision, beside the log. Optional.
	Observer auth.Observer
	// Logger gets refusals ([auth.LogRefusals]), trouble with keys, which issuers New trusts,
	// methods that are mounted without a rule, and reflection that is public. Default:
	// slog.Default(). To log nothing: slog.New(slog.DiscardHandler).
	Logger *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// New returns a Guard. Its error names everything that is wrong with the Config and the
// rules, not just the first. It does not wait for the issuer: keys are fetched in the
// background, and calls are refused with KEYS_UNAVAILABLE while there are none.
//
// Close the Guard when nothing is served any more. It must not be copied.
func New(config Config) (*auth.Guard, error) {
	logger := cmp.Or(config.Logger, slog.Default())
	issuers, fetched, err := config.issuers(logger)
	var guard *auth.Guard
	if err == nil {
		guard, err = config.guard(issuers, logger)
	}
	if err != nil {
		for _, keys := range fetched {
			_ = keys.Close()
		}
		return nil, fmt.Errorf("ostiary: %w", err)
	}
	return guard, nil
}

func (c *Config) guard(issuers []token.Issuer, logger *slog.Logger) (*auth.Guard, error) {
	verifier, verifierFault := token.New(token.Config{Issuers: issuers, Now: c.Now, Logger: logger})
	rules, rulesFault := policy.New(append(append([]policy.Option{policy.Linked()}, c.Rules...), policy.Now(c.Now))...)
	if err := errors.Join(verifierFault, rulesFault); err != nil {
		return nil, err
	}
	var capabilities []auth.IssuerCapabilities
	for _, issuer := range verifier.Issuers() {
		capabilities = append(capabilities, issuer.Capabilities())
		logger.Info("tokens are accepted", "issuer", issuer.URL, "profile", issuer.Profile.Name, "kinds", issuer.KindNames())
	}
	if faults := rules.Unmeetable(capabilities); len(faults) > 0 {
		return nil, faults
	}
	return &auth.Guard{
		Authenticator: verifier,
		Policy:        rules,
		LoadUser:      c.LoadUser,
		Revocations:   c.Revocations,
		Observer:      auth.Observers(auth.LogRefusals(logger), c.Observer),
		Logger:        logger,
		Now:           c.Now,
	}, nil
}

// issuers returns the issuers that are trusted, with their keys, and which of the keys it
// has begun to fetch: these also beside an error, so that they can be closed.
func (c *Config) issuers(logger *slog.Logger) (issuers []token.Issuer, fetched []*jwks.Remote, err error) {
	issuers = slices.Clone(c.Issuers)
	var faults []error
	switch {
	case c.Issuer == "" && c.describesIssuer(): // such as a variable of the environment that is not set
		faults = append(faults, errors.New("the fields from Profile to Kinds are about Issuer, which is empty: name it, which for `ostiary dev` is ostiary.DevIssuer, or set them in Issuers"))
	case c.Issuer != "" || len(issuers) == 0:
		issuer := token.Issuer{
			URL:               cmp.Or(c.Issuer, DevIssuer),
			Audiences:         c.Audiences,
			AuthorizedParties: c.AuthorizedParties,
			AllowAnyAudience:  c.AllowAnyAudience,
			FirstPartyClients: c.FirstPartyClients,
			Kinds:             c.Kinds,
		}
		var err error
		issuer.Profile, err = c.profile(issuer.URL)
		faults = append(faults, err)
		issuers = append([]token.Issuer{issuer}, issuers...)
	}
	for i := range issuers {
		issuer := &issuers[i]
		if !issuer.AllowAnyAudience && len(issuer.Audiences)+len(issuer.AuthorizedParties) == 0 && isLoopback(issuer.URL) {
			issuer.AllowAnyAudience = true
			logger.Warn("tokens of this issuer are accepted for any service; this is for development alone", "issuer", issuer.URL)
		}
		if issuer.Keys != nil {
			continue
		}
		remote := jwks.RemoteConfig{URL: issuer.Profile.JWKSURL(issuer.URL), Now: c.Now, Logger: logger}
		if remote.URL == "" {
			remote.Issuer = issuer.URL
		}
		keys, err := jwks.NewRemote(remote)
		if err != nil {
			faults = append(faults, fmt.Errorf("issuer %s: %w", issuer.URL, err))
			continue
		}
		issuer.Keys = keys
		fetched = append(fetched, keys)
	}
	return issuers, fetched, errors.Join(faults...)
}

// describesIssuer reports whether anything is said of Issuer.
func (c *Config) describesIssuer() bool {
	return c.Profile != "" || c.AllowAnyAudience ||
		len(c.Audiences)+len(c.AuthorizedParties)+len(c.FirstPartyClients)+len(c.Kinds) > 0
}

func (c *Config) profile(issuer string) (token.Profile, error) {
	var profile token.Profile
	var err error
	switch {
	case c.Profile != "":
		profile, err = token.ProfileNamed(c.Profile)
	case issuer == DevIssuer:
		profile = token.Clerk()
	default:
		profile = token.ProfileOf(issuer)
	}
	if profile.Name == token.Clerk().Name && isLoopback(issuer) {
		profile.Kinds = append(slices.Clone(profile.Kinds), auth.KindMachine)
	}
	return profile, err
}

func isLoopback(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && u.Scheme == "http" && loopback.Host(u.Hostname())
}
