package settings

import (
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/settings"
)

// issuerTable lists the settings of an issuer.
func issuerTable() []setting[settings.Issuer] {
	return []setting[settings.Issuer]{
		{
			key: "url", env: []string{"OSTIARY_ISSUER", "CLERK_JWT_ISSUER"},
			help:   "Exact iss claim of the tokens: an https URL, or http on loopback. Other http and text that is no URL need jwks_url, {tenantid} needs tenants, and with profile spiffe it is the trust domain.",
			format: text(func(i *settings.Issuer) *string { return &i.URL }),
		},
		{
			key: "aliases", env: []string{"OSTIARY_ALIASES"},
			help:   "Other spellings of iss that the same issuer uses.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Aliases }),
		},
		{
			key: "tenants", env: []string{"OSTIARY_TENANTS"},
			help:   "Ids of the accepted tenants, each in place of {tenantid} in the issuer.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Tenants }),
		},
		{
			key: "profile", env: []string{"OSTIARY_PROFILE"},
			help:   "The provider whose token format to expect: " + profileNames() + ", or oidc for any other. Default: recognised by the issuer, as in https://example.eu.auth0.com/; otherwise clerk.",
			format: text(func(i *settings.Issuer) *string { return &i.Profile }),
		},
		{
			key: "jwks_url", env: []string{"OSTIARY_JWKS_URL"},
			help:   "URL of the key set. Default: {issuer}/.well-known/jwks.json for clerk; otherwise from OIDC discovery.",
			format: text(func(i *settings.Issuer) *string { return &i.JWKSURL }),
		},
		{
			key: "ca_file", env: []string{"OSTIARY_CA_FILE"},
			help:   "PEM file of the certificates that vouch for the server with the keys, instead of the system's.",
			format: text(func(i *settings.Issuer) *string { return &i.CAFile }),
		},
		{
			key: "token_file", env: []string{"OSTIARY_TOKEN_FILE"},
			help:   "File with a bearer token for the request for the keys, such as that of a Kubernetes service account.",
			format: text(func(i *settings.Issuer) *string { return &i.TokenFile }),
		},
		{
			key: "insecure_http", env: []string{"OSTIARY_INSECURE_HTTP"}, def: "false",
			help:   "Accept plain http for the issuer and its keys elsewhere than on loopback. An attacker who can change what the network carries can then make tokens: only within a private network.",
			format: boolean(func(i *settings.Issuer, on bool) { i.InsecureHTTP = on }),
		},
		{
			key: "jwt_key", env: []string{"OSTIARY_JWT_KEY", "CLERK_JWT_KEY"},
			help:   "A single public key (PEM), instead of fetching a key set.",
			format: pem(func(i *settings.Issuer) *string { return &i.JWTKey }),
		},
		{
			key: "keys_snapshot", env: []string{"OSTIARY_KEYS_SNAPSHOT"},
			help:   "File that caches the last keys, so a restarted server works while the issuer is unreachable.",
			format: text(func(i *settings.Issuer) *string { return &i.KeysSnapshot }),
		},
		{
			key: "essential", env: []string{"OSTIARY_ESSENTIAL"}, def: "false",
			help:   "Whether the server is not ready while it has no keys of this issuer, also for the users of other issuers. In any case one issuer must have keys, so the only one is always essential.",
			format: boolean(func(i *settings.Issuer, on bool) { i.Essential = on }),
		},
		{
			key: "secret_key", env: []string{"OSTIARY_SECRET_KEY", "CLERK_SECRET_KEY"}, secret: true,
			help:   "Clerk's secret key, with which sessions that are ended here are ended at Clerk too, and Clerk is asked after an outage.",
			format: text(func(i *settings.Issuer) *string { return &i.SecretKey }),
		},
		{
			key: "secret_key_file", env: []string{"OSTIARY_SECRET_KEY_FILE"},
			help:   "File with the secret key instead; read at the start and at SIGHUP.",
			format: text(func(i *settings.Issuer) *string { return &i.SecretKeyFile }),
		},
		{
			key: "api_url", env: []string{"OSTIARY_API_URL", "CLERK_API_URL"},
			help:   "Where Clerk's Backend API is, to which the secret key is sent: https, or http on loopback, without the version. Default: https://api.clerk.com.",
			format: text(func(i *settings.Issuer) *string { return &i.APIURL }),
		},
		{
			key: "backchannel_logout", env: []string{"OSTIARY_BACKCHANNEL_LOGOUT"},
			help:   "Clients at the issuer whose backchannel_logout_uri is /signals/backchannel-logout here: who signs out there has its tokens revoked. In YAML also {client_ids: [web], sessions_in_tokens: true}.",
			format: logoutClients(),
		},
		{
			key: "console_client_id", env: []string{"OSTIARY_CONSOLE_CLIENT_ID"},
			help:   "The console's client at the issuer, for sign-in with OpenID Connect: a public client (PKCE, no secret). Its redirect URI and post-logout redirect URI are this issuer's own; docs/console.md, the page to sign in on and ostiary doctor say which. Users act in person through it.",
			format: text(func(i *settings.Issuer) *string { return &i.Console.ClientID }),
		},
		{
			key: "console_scopes", env: []string{"OSTIARY_CONSOLE_SCOPES"},
			help:   "Scopes that the console asks for beside openid, such as offline_access where the issuer gives refresh tokens for it.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Console.Scopes }),
		},
		{
			key: "console_audience", env: []string{"OSTIARY_CONSOLE_AUDIENCE"},
			help:   "Parameter audience of the console's sign-in, with which issuers such as Auth0 give out access tokens for this server.",
			format: text(func(i *settings.Issuer) *string { return &i.Console.Audience }),
		},
		{
			key: "console_resource", env: []string{"OSTIARY_CONSOLE_RESOURCE"},
			help:   "Parameter resource of the console's sign-in (RFC 8707), for issuers that name this server by it: an absolute URI.",
			format: text(func(i *settings.Issuer) *string { return &i.Console.Resource }),
		},
		{
			key: "audiences", env: []string{"OSTIARY_AUDIENCES", "CLERK_JWT_AUD"},
			help:   "Accepted values of aud; a token must have one of them.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Audiences }),
		},
		{
			key: "authorized_parties", env: []string{"OSTIARY_AUTHORIZED_PARTIES", "CLERK_AUTHORIZED_PARTIES"},
			help:   "Accepted values of azp; a token must have one of them.",
			format: list(func(i *settings.Issuer) *[]string { return &i.AuthorizedParties }),
		},
		{
			key: "allow_missing_authorized_party", env: []string{"OSTIARY_ALLOW_MISSING_AUTHORIZED_PARTY"}, def: "false",
			help:   "Accept tokens without azp even when authorized parties are set.",
			format: boolean(func(i *settings.Issuer, on bool) { i.AllowMissingAuthorizedParty = on }),
		},
		{
			key: "allow_any_audience", env: []string{"OSTIARY_ALLOW_ANY_AUDIENCE"}, def: "false",
			help:   "Accept tokens issued for any service. Has no effect where audiences or authorized parties are set: those are still checked.",
			format: boolean(func(i *settings.Issuer, on bool) { i.AllowAnyAudience = on }),
		},
		{
			key: "allow_unbound_cnf", env: []string{"OSTIARY_ALLOW_UNBOUND_CNF"}, def: "false",
			help:   "Accept tokens that are bound to a key (cnf), although the binding is not checked: a thief of the token can use it.",
			format: boolean(func(i *settings.Issuer, on bool) { i.AllowUnboundConfirmation = on }),
		},
		{
			key: "first_party_clients", env: []string{"OSTIARY_FIRST_PARTY_CLIENTS"},
			help:   "OAuth clients through which users act in person, such as your own page: a user's token for one is a session, not kind oauth.",
			format: list(func(i *settings.Issuer) *[]string { return &i.FirstPartyClients }),
		},
		{
			key: "accept_kinds", env: []string{"OSTIARY_ACCEPT_KINDS"},
			help:   "Accepted kinds of token: session, template, oauth, machine, id. Default: the profile's, which the log names at startup; template only with audiences.",
			format: kinds(func(i *settings.Issuer) *[]auth.TokenKind { return &i.Kinds }),
		},
		{
			key: "algorithms", env: []string{"OSTIARY_ALGORITHMS"},
			help:   "Accepted signature algorithms, such as RS256. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Algorithms }),
		},
		{
			key: "skew", env: []string{"OSTIARY_SKEW"}, def: "5s",
			help:   "Tolerated difference between the issuer's clock and this server's.",
			format: tolerance(func(i *settings.Issuer) *time.Duration { return &i.Skew }),
		},
		{
			key: "max_lifetime", env: []string{"OSTIARY_MAX_LIFETIME"}, def: "24h0m0s",
			help:   "Longest accepted token lifetime, from iat to exp.",
			format: duration(func(i *settings.Issuer) *time.Duration { return &i.MaxLifetime }),
		},
		{
			key: "max_token_bytes", env: []string{"OSTIARY_MAX_TOKEN_BYTES"},
			help:   fmt.Sprintf("Longest accepted token, at most %d bytes. Default: %d, or more with some profiles.", settings.MaxTokenBytesLimit, token.DefaultMaxTokenBytes),
			format: size(func(i *settings.Issuer) *int { return &i.MaxTokenBytes }),
		},
		{
			key: "roles_claim", env: []string{"OSTIARY_ROLES_CLAIM"},
			help:   "Claims with roles. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.Roles }),
		},
		{
			key: "groups_claim", env: []string{"OSTIARY_GROUPS_CLAIM"},
			help:   "Claims with groups, which count as roles. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.Groups }),
		},
		{
			key: "permissions_claim", env: []string{"OSTIARY_PERMISSIONS_CLAIM"},
			help:   "Claims with permissions. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.Permissions }),
		},
		{
			key: "scopes_claim", env: []string{"OSTIARY_SCOPES_CLAIM"},
			help:   "Claims with scopes; the first that a token has counts. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.Scopes }),
		},
		{
			key: "organization_claim", env: []string{"OSTIARY_ORGANIZATION_CLAIM"},
			help:   "Claims with the organization's id; the first that a token has counts. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.Organization }),
		},
		{
			key: "organization_role_claim", env: []string{"OSTIARY_ORGANIZATION_ROLE_CLAIM"},
			help:   "Claims with the role in the organization; the first that a token has counts. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.OrganizationRole }),
		},
		{
			key: "session_claim", env: []string{"OSTIARY_SESSION_CLAIM"},
			help:   "Claims with the session's id; the first that a token has counts. Default: the profile's.",
			format: list(func(i *settings.Issuer) *[]string { return &i.Claims.Session }),
		},
		{
			key: "name_member", env: []string{"OSTIARY_NAME_MEMBER"},
			help:   "Member with the name, where a role, group or permission is an object, such as name for {\"name\": \"admin\"}.",
			format: text(func(i *settings.Issuer) *string { return &i.Claims.NameMember }),
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
