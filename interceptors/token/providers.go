package token

import (
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
)

// at is a list of one path.
func at(names ...string) []ClaimPath { return []ClaimPath{names} }

// Clerk returns the profile of a Clerk instance: session tokens of version 1
// and 2, tokens made from a JWT template, OAuth access tokens and machine
// tokens. Its keys are at {issuer}/.well-known/jwks.json. Sessions are accepted
// by default, and with Audiences templates.
func Clerk() Profile {
	return Profile{
		Name:            "clerk",
		Algorithms:      []string{"RS256"},
		Kinds:           []auth.TokenKind{auth.KindSession, auth.KindTemplate},
		Session:         at("sid"),
		Client:          at("client_id"),
		AuthorizedParty: at("azp"),
		Scopes:          []ClaimPath{{"scp"}, {"scope"}},
		provider:        provider.Clerk(),
	}
}

// OIDC returns the profile of a standard issuer: OpenID Connect Core 1.0 and
// RFC 9068 (JWT access tokens), such as Duende, node oidc-provider, Authentik or
// Casdoor. Access tokens of users are accepted by default: sessions, and those of
// OAuth clients that act for a user.
//
// A client's own token is one whose subject is the client or one of the audience,
// which says so by its grant, or which has a client and neither a subject nor any
// sign of a user. Clients with subjects of another form, as authentik and Casdoor
// give them, look like users to this profile: their tokens are of kind oauth.
func OIDC() Profile {
	return Profile{
		Name: "oidc",
		Algorithms: []string{
			"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
			"ES256", "ES384", "ES512", "EdDSA",
		},
		Kinds:           []auth.TokenKind{auth.KindSession, auth.KindOAuth},
		Session:         at("sid"),
		Client:          []ClaimPath{{"client_id"}, {"azp"}},
		AuthorizedParty: []ClaimPath{{"azp"}, {"client_id"}},
		Roles:           at("roles"),
		Groups:          at("groups"),
		Permissions:     at("permissions"),
		Scopes:          []ClaimPath{{"scope"}, {"scp"}},
	}
}

// standard is OIDC under another name, with RS256 alone and without groups.
func standard(name string) Profile {
	p := OIDC()
	p.Name, p.Algorithms, p.Groups = name, []string{"RS256"}, nil
	return p
}

// Auth0 returns the profile of an Auth0 tenant. The issuer's URL ends in a
// slash; the audience is the API's identifier. Custom claims have a URL as their
// name: where exactly one ends in /roles, such as https://example.com/roles, it
// has the roles; otherwise name the path in Roles.
//
// Every access token of a user is that of an application: name your own in
// FirstPartyClients.
func Auth0() Profile {
	p := standard("auth0")
	p.OrganizationID = at("org_id")
	p.OrganizationSlug = at("org_name")
	p.Roles = nil
	p.provider = provider.Auth0()
	return p
}

// Cognito returns the profile of an Amazon Cognito user pool. Its access tokens
// have no audience: name the app client in AuthorizedParties. Groups count as
// roles.
func Cognito() Profile {
	p := standard("cognito")
	p.Session = at("origin_jti")
	p.Client = at("client_id")
	p.AuthorizedParty = at("client_id")
	p.Roles = nil
	p.Groups = at("cognito:groups")
	p.Permissions = nil
	p.Scopes = at("scope")
	p.provider = provider.Cognito()
	return p
}

// Dex returns the profile of dex. Groups count as roles.
//
// The access tokens of dex are ID tokens by all that they say, and so the tokens
// of users are of kind id, which is accepted by default. Their audience is the
// client that the user signed in to: name your own in Audiences. A token that one
// client requested for another has azp, and is an OAuth client's that acts for
// the user, unless FirstPartyClients names it. A client's own token has a subject
// without a connector.
func Dex() Profile {
	p := OIDC()
	p.Name = "dex"
	p.Algorithms = []string{"RS256", "ES256", "ES384", "ES512"}
	p.Kinds = []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindID}
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.Roles, p.Permissions, p.Scopes = nil, nil, nil
	p.provider = provider.Dex()
	return p
}

// Entra returns the profile of Microsoft Entra ID, for tokens of version 2 and of
// version 1 (issuer https://sts.windows.net/{tenant}/), and of AD FS. The user is
// named by oid, which is the same for every application of the tenant. Groups
// count as roles; up to 200 of them make tokens of 12 KB, and so MaxTokenBytes is
// 16 KiB.
//
// An application's own token is one whose subject is its oid, or that has none,
// and that has no scp; or one whose idtyp is app. Every access token of a user is
// that of an application: name your own in FirstPartyClients.
func Entra() Profile {
	p := standard("entra")
	p.MaxTokenBytes = 16 << 10
	p.Subject = at("oid")
	p.Client = []ClaimPath{{"azp"}, {"appid"}}
	p.AuthorizedParty = []ClaimPath{{"azp"}, {"appid"}}
	p.OrganizationID = at("tid")
	p.Groups = at("groups")
	p.Permissions = nil
	p.Scopes = at("scp")
	p.provider = provider.Entra()
	return p
}

// Google returns the profile of Google's ID tokens, the only ones of Google that
// are JWTs: those of users are of kind id, which is accepted by default. The issuer
// is https://accounts.google.com, which some of its tokens write without https://;
// the audience is the client's id.
//
// A service account's token is known by its email, or by its subject, which is its
// azp. A token that was requested without either looks like a user's: request the
// full format.
func Google() Profile {
	p := standard("google")
	p.Kinds = []auth.TokenKind{auth.KindID}
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.OrganizationID = at("hd")
	p.Roles, p.Permissions, p.Scopes = nil, nil, nil
	p.provider = provider.Google()
	return p
}

// Hydra returns the profile of Ory Hydra, whose custom claims lie under ext: also sid,
// if the consent page sets it to the login_session_id of the request.
// Every access token of a user is that of an OAuth client: name your own in
// FirstPartyClients.
func Hydra() Profile {
	p := standard("hydra")
	p.Session = []ClaimPath{{"sid"}, {"ext", "sid"}}
	p.Client = at("client_id")
	p.AuthorizedParty = at("client_id")
	p.Roles = at("ext", "roles")
	p.Permissions = at("ext", "permissions")
	p.provider = provider.Hydra()
	return p
}

// Keycloak returns the profile of a Keycloak realm. Besides the realm's roles it
// reads those that a client defines, of the clients named in Audiences alone, and
// the groups where a mapper adds them. The organization is known where the token
// names exactly one.
//
// A client's own token is one of a service account: by its user name, by the address
// of the client, or by client_id in a token without a session. A lightweight access token may have
// neither, and is of kind oauth. Every access token of a user is that of a client:
// name your own in FirstPartyClients.
func Keycloak() Profile {
	p := standard("keycloak")
	p.Session = []ClaimPath{{"sid"}, {"session_state"}}
	p.Client = []ClaimPath{{"azp"}, {"client_id"}}
	p.AuthorizedParty = at("azp")
	p.Roles = []ClaimPath{{"realm_access", "roles"}, {"resource_access", AudiencePlaceholder, "roles"}}
	p.Groups = at("groups")
	p.Permissions = nil
	p.Scopes = at("scope")
	p.provider = provider.Keycloak()
	return p
}

// Okta returns the profile of an Okta authorization server, such as
// https://example.okta.com/oauth2/default. Access tokens of the org server itself
// are Okta's own and are refused. Groups count as roles, where the server is set
// to add the claim. A client's own token is one with cid and without uid.
func Okta() Profile {
	p := standard("okta")
	p.Client = at("cid")
	p.AuthorizedParty = at("cid")
	p.Roles, p.Permissions = nil, nil
	p.Groups = at("groups")
	p.Scopes = at("scp")
	p.provider = provider.Okta()
	return p
}

// Supabase returns the profile of Supabase Auth. The issuer's URL ends in
// /auth/v1; the audience of a user is authenticated. What a user can write
// (user_metadata) is never read.
func Supabase() Profile {
	p := standard("supabase")
	p.Algorithms = []string{"ES256", "RS256"}
	p.Session = at("session_id")
	p.OrganizationID = at("app_metadata", "org_id")
	p.Roles = at("role")
	p.Permissions = at("app_metadata", "permissions")
	p.Scopes = nil
	p.provider = provider.Supabase()
	return p
}

// WorkOS returns the profile of WorkOS AuthKit. Its tokens have neither
// audience nor authorized party, and its keys are at /sso/jwks/{client}. A
// machine's subject is its client, client_….
func WorkOS() Profile {
	p := standard("workos")
	p.OrganizationID = at("org_id")
	p.OrganizationRole = at("role")
	p.Roles = []ClaimPath{{"role"}, {"roles"}}
	p.Scopes = nil
	p.provider = provider.WorkOS()
	return p
}

// ZITADEL returns the profile of a ZITADEL instance, whose roles are the names
// of an object: those of the projects that Audiences name. Only a token without
// roles of named projects, or an Issuer without Audiences, has those of the project
// that the token was requested for. A service user's token is one whose client is
// not in its audience, as every application's is.
func ZITADEL() Profile {
	p := standard("zitadel")
	p.OrganizationID = []ClaimPath{{"urn:zitadel:iam:user:resourceowner:id"}, {"urn:zitadel:iam:org:id"}}
	p.Roles = at(provider.ZITADELRoles + AudiencePlaceholder + ":roles")
	p.RolesAreNames = true
	p.Permissions = nil
	p.provider = provider.ZITADEL()
	return p
}
