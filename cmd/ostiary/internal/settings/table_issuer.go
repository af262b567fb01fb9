package settings

import (
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server"
)

// issuerTable lists the settings of an issuer.
func issuerTable() []setting[server.Issuer] {
	return []setting[server.Issuer]{
		{
			key: "url", env: []string{"CLERK_JWT_ISSUER"},
			help:   "Exact iss claim of the tokens: an https URL, or http on loopback.",
			format: text(func(i *server.Issuer) *string { return &i.URL }),
		},
		{
			key: "profile", env: []string{"OSTIARY_PROFILE"}, def: "clerk",
			help:   "The provider whose token format to expect: " + profileNames() + ", or oidc for any other.",
			format: text(func(i *server.Issuer) *string { return &i.Profile }),
		},
		{
			key: "jwks_url", env: []string{"OSTIARY_JWKS_URL"},
			help:   "URL of the key set. Default: {issuer}/.well-known/jwks.json for clerk; otherwise from OIDC discovery.",
			format: text(func(i *server.Issuer) *string { return &i.JWKSURL }),
		},
		{
			key: "jwt_key", env: []string{"CLERK_JWT_KEY"},
			help:   "A single public key (PEM), instead of fetching a key set.",
			format: pem(func(i *server.Issuer) *string { return &i.JWTKey }),
		},
		{
			key: "keys_snapshot", env: []string{"OSTIARY_KEYS_SNAPSHOT"},
			help:   "File that caches the last keys, so a restarted server works while the issuer is unreachable.",
			format: text(func(i *server.Issuer) *string { return &i.KeysSnapshot }),
		},
		{
			key: "audiences", env: []string{"CLERK_JWT_AUD"},
			help:   "Accepted values of aud; a token must have one of them.",
			format: list(func(i *server.Issuer) *[]string { return &i.Audiences }),
		},
		{
			key: "authorized_parties", env: []string{"CLERK_AUTHORIZED_PARTIES"},
			help:   "Accepted values of azp; a token must have one of them.",
			format: list(func(i *server.Issuer) *[]string { return &i.AuthorizedParties }),
		},
		{
			key: "allow_missing_authorized_party", env: []string{"OSTIARY_ALLOW_MISSING_AUTHORIZED_PARTY"}, def: "false",
			help:   "Accept tokens without azp even when authorized parties are set.",
			format: boolean(func(i *server.Issuer, on bool) { i.AllowMissingAuthorizedParty = on }),
		},
		{
			key: "allow_any_audience", env: []string{"OSTIARY_ALLOW_ANY_AUDIENCE"}, def: "false",
			help:   "Accept tokens issued for any service. Only without audiences and authorized parties.",
			format: boolean(func(i *server.Issuer, on bool) { i.AllowAnyAudience = on }),
		},
		{
			key: "accept_kinds", env: []string{"OSTIARY_ACCEPT_KINDS"},
			help:   "Accepted kinds of token: session, template, oauth, machine, id. Default: those of the profile, which the server logs at start.",
			format: kinds(func(i *server.Issuer) *[]auth.Kind { return &i.Kinds }),
		},
		{
			key: "algorithms", env: []string{"OSTIARY_ALGORITHMS"},
			help:   "Accepted signature algorithms, such as RS256. Default: the profile's.",
			format: list(func(i *server.Issuer) *[]string { return &i.Algorithms }),
		},
		{
			key: "skew", env: []string{"OSTIARY_SKEW"}, def: "5s",
			help:   "Tolerated difference between the issuer's clock and this server's.",
			format: tolerance(func(i *server.Issuer) *time.Duration { return &i.Skew }),
		},
		{
			key: "max_lifetime", env: []string{"OSTIARY_MAX_LIFETIME"}, def: "24h0m0s",
			help:   "Longest accepted token lifetime, from iat to exp.",
			format: duration(func(i *server.Issuer) *time.Duration { return &i.MaxLifetime }),
		},
	}
}

// profileNames lists the providers that have a profile of their own.
func profileNames() string {
	var names []string
	for _, profile := range token.Profiles() {
		if profile.Name != token.OIDC().Name {
			names = append(names, profile.Name)
		}
	}
	return strings.Join(names, ", ")
}
