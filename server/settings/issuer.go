package settings

import (
	"cmp"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/console"
)

// An Issuer is one whose tokens are accepted, and what they must be like. Fields that
// token.Issuer or jwks.RemoteConfig has too mean the same here; their comments there
// say more.
type Issuer struct {
	// URL is the exact iss claim: https, or http on a loopback address. With
	// JWKSURL or JWTKey it may be http elsewhere, as that of AD FS is, or text that
	// is no URL. Required.
	URL string
	// Aliases are other spellings of iss that the same issuer uses. Default: none.
	Aliases []string
	// Tenants are the ids of the tenants that are trusted, each in place of
	// {tenantid} in URL. Default: none.
	Tenants []string
	// Profile says where the issuer's tokens keep what: clerk, oidc, or another
	// name of token.ProfileNamed. Default: that of token.ProfileOf where the URL says
	// which it is, otherwise clerk.
	Profile string
	// Claims says where claims are, where that is not as the Profile says.
	Claims Claims

	// JWKSURL is where the issuer's keys are. It may have a query. Default: with
	// profile clerk {URL}/.well-known/jwks.json, otherwise what discovery says
	// (OpenID Connect Discovery 1.0, section 4).
	JWKSURL string
	// CAFile, TokenFile and InsecureHTTP are for fetching the keys.
	CAFile, TokenFile string
	InsecureHTTP      bool
	// JWTKey is the issuer's one public key in PEM, for verifying without any
	// network. Default: keys are fetched.
	JWTKey string
	// KeysSnapshot is the Snapshot of the keys. Default: none.
	KeysSnapshot string
	// Essential says that the server is not ready while it has no keys of the issuer. It is
	// not ready either while it has keys of no issuer at all, so the only issuer is essential
	// in any case. Keys that were fetched before count for a day, whatever becomes of the
	// issuer. Default: the users of other issuers are served, and those of this one refused
	// with KEYS_UNAVAILABLE.
	Essential bool

	// SecretKey is Clerk's, of the issuer's instance. With it, sessions that are ended here
	// are ended at Clerk, too, and Clerk is asked after an outage which sessions have ended,
	// if its webhooks are received. Default: they go on there, and what was missed is not
	// made up for.
	SecretKey string
	// SecretKeyFile is a file with the SecretKey instead. It is read at the start, and by
	// Server.Reload.
	SecretKeyFile string
	// APIURL is where Clerk's Backend API is: https, or http on a loopback host. Default:
	// https://api.clerk.com.
	APIURL string

	// BackChannelLogout has the issuer say at /signals/backchannel-logout who has signed
	// out, whose tokens are revoked then. Default: it is not heard.
	BackChannelLogout BackChannelLogout

	// Console is how the console signs users in at the issuer. Default: it does not.
	Console ConsoleClient

	// Audiences and AuthorizedParties are the values of aud, and of azp, of which a
	// token must have one. Default: the claim is not checked.
	Audiences, AuthorizedParties []string
	// AllowMissingAuthorizedParty accepts tokens without azp although
	// AuthorizedParties are given. Default: they are refused.
	AllowMissingAuthorizedParty bool
	// AllowAnyAudience accepts tokens that were made for any service. It must be
	// set where neither Audiences nor AuthorizedParties are, except for an issuer
	// on http and loopback, which is for development. Default: refused.
	AllowAnyAudience bool
	// AllowUnboundConfirmation accepts tokens that are bound to a key (cnf) without
	// checking the binding. Default: they are refused with TOKEN_BINDING_UNCHECKED.
	AllowUnboundConfirmation bool
	// FirstPartyClients are the OAuth clients through which users act in person.
	// Default: none is known.
	FirstPartyClients []string

	// Algorithms are the accepted ones, such as RS256. Default: the profile's.
	Algorithms []string
	// Kinds are the accepted kinds of token. Default: the profile's, of which
	// templates only with Audiences. New logs those in force.
	Kinds []auth.TokenKind
	// MaxTokenBytes is the longest accepted token, at most [MaxTokenBytesLimit].
	// Default: the profile's, which is token.DefaultMaxTokenBytes for nearly all.
	MaxTokenBytes int
	// Skew is how far the issuer's clock may be off; negative means none. Default:
	// token.DefaultSkew.
	Skew time.Duration
	// MaxLifetime is the longest accepted time from iat to exp. Default:
	// token.DefaultMaxLifetime.
	MaxLifetime time.Duration
}

// BackChannelLogout says which logout tokens of an issuer are taken (OpenID Connect
// Back-Channel Logout 1.0).
type BackChannelLogout struct {
	// ClientIDs are the clients at the issuer where the logout URI is registered; a logout
	// token must be for one of them. Default: none, and the issuer is not heard.
	ClientIDs []string
	// SessionsInTokens says that every access token of a user names its session, so that
	// only that session ends. Default: what the profile says.
	SessionsInTokens bool
}

// A ConsoleClient is the console as a client of an issuer, where it signs users in with OpenID
// Connect, by the authorization code flow with PKCE (RFC 7636). The browser talks to the issuer, at the
// endpoints that the issuer's discovery document names.
type ConsoleClient struct {
	// ClientID is that of the console: a public client at the issuer, with the console's
	// origin and the issuer's [Issuer.ConsoleCallback] as its redirect URI and its post-logout
	// redirect URI. The console is a page of the operator's own, so users act in person through this
	// client, as through the FirstPartyClients, where the Console is enabled. Default: none.
	ClientID string
	// Scopes are asked for beside openid. Default: none.
	Scopes []string
	// Audience and Resource are sent as the parameters audience, which some issuers have,
	// and resource (RFC 8707), for an issuer that needs one of them to give out an access
	// token that is a JWT for this server. Default: they are not sent.
	Audience, Resource string
}

// ConsoleCallback returns the path at the console that the issuer sends browsers back to. It is the
// issuer's own, such as /console/callback/sso.example.com-realms-acme, and follows from its URL alone.
func (i *Issuer) ConsoleCallback() string { return console.CallbackPath(i.URL) }

// TokenProfile returns the profile with the Claims in place of its own.
func (i *Issuer) TokenProfile() (token.Profile, error) {
	profile, err := token.ProfileNamed(i.ProfileName())
	if err == nil {
		i.Claims.apply(&profile)
	}
	return profile, err
}

// ProfileName returns the name of the Profile, or that of the default.
func (i *Issuer) ProfileName() string {
	recognised := token.ProfileOf(i.URL).Name
	if recognised == token.OIDC().Name { // which says no more than that it was not recognised
		recognised = token.Clerk().Name
	}
	return cmp.Or(i.Profile, recognised)
}

func (i *Issuer) isClerk() bool { return i.ProfileName() == token.Clerk().Name }

// namesSubjectElsewhere reports whether tokens name their user by another claim than sub.
func (i *Issuer) namesSubjectElsewhere() bool {
	profile, err := i.TokenProfile()
	return err == nil && len(profile.Subject) > 0
}

func (i *Issuer) isSPIFFE() bool { return i.ProfileName() == token.SPIFFE().Name }

// Names returns the issuers of its identities: URL, or that of each tenant.
func (i *Issuer) Names() []string {
	if !strings.Contains(i.URL, token.TenantPlaceholder) {
		return []string{i.URL}
	}
	names := make([]string, len(i.Tenants))
	for n, tenant := range i.Tenants {
		names[n] = strings.ReplaceAll(i.URL, token.TenantPlaceholder, tenant)
	}
	return names
}

// RemoteConfig says how the keys are fetched, with the defaults for the clock and the log. It
// means nothing where JWTKey is set.
func (i *Issuer) RemoteConfig() jwks.RemoteConfig {
	config := jwks.RemoteConfig{
		URL:                    i.JWKSURL,
		CAFile:                 i.CAFile,
		TokenFile:              i.TokenFile,
		InsecureAllowPlaintext: i.InsecureHTTP,
		AllowJWTSVID:           i.isSPIFFE(),
		Snapshot:               i.KeysSnapshot,
	}
	switch {
	case config.URL != "":
	case i.isClerk():
		config.URL = i.URL + "/.well-known/jwks.json"
	default:
		config.Issuer = i.URL
	}
	return config
}
