package token

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Profiles returns every profile of this package.
func Profiles() []Profile {
	return []Profile{
		Clerk(), OIDC(), Auth0(), Cognito(), Entra(), Google(), Hydra(),
		Keycloak(), Supabase(), WorkOS(), ZITADEL(),
	}
}

// ProfileNamed returns the profile with the given name.
func ProfileNamed(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("unknown profile %q: use one of %s", name, strings.Join(names, ", "))
}

// at is a list of one path.
func at(names ...string) []Path { return []Path{names} }

// Clerk returns the profile of a Clerk instance: session tokens of version 1
// and 2, tokens made from a JWT template, OAuth access tokens and machine
// tokens. Its keys are at {issuer}/.well-known/jwks.json.
func Clerk() Profile {
	return Profile{
		Name:            "clerk",
		Algorithms:      []string{"RS256"},
		Session:         at("sid"),
		Client:          at("client_id"),
		AuthorizedParty: at("azp"),
		Scopes:          []Path{{"scp"}, {"scope"}},
		kindOf:          kindOfClerk,
		extend:          extendClerk,
	}
}

// OIDC returns the profile of a standard issuer: OpenID Connect Core 1.0 and
// RFC 9068 (JWT access tokens).
func OIDC() Profile {
	return Profile{
		Name: "oidc",
		Algorithms: []string{
			"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
			"ES256", "ES384", "ES512", "EdDSA",
		},
		Session:         at("sid"),
		Client:          []Path{{"client_id"}, {"azp"}},
		AuthorizedParty: []Path{{"azp"}, {"client_id"}},
		Roles:           at("roles"),
		Permissions:     at("permissions"),
		Scopes:          []Path{{"scope"}, {"scp"}},
	}
}

// standard is OIDC under another name and with RS256 alone.
func standard(name string) Profile {
	p := OIDC()
	p.Name, p.Algorithms = name, []string{"RS256"}
	return p
}

// Auth0 returns the profile of an Auth0 tenant. The issuer's URL ends in a
// slash; the audience is the API's identifier. Roles are a custom claim: name
// its path in Roles.
func Auth0() Profile {
	p := standard("auth0")
	p.OrganizationID = at("org_id")
	p.Roles = nil
	p.kindOf = func(h header, c *claims) auth.Kind {
		if subject, _ := c.get("sub").Text(); strings.HasSuffix(subject, "@clients") {
			return auth.KindMachine
		}
		return kindOfOIDC(h, c)
	}
	return p
}

// Cognito returns the profile of an Amazon Cognito user pool. Its access tokens
// have no audience: name the app client in AuthorizedParties. Its ID tokens are
// not accepted.
func Cognito() Profile {
	p := standard("cognito")
	p.Session = at("origin_jti")
	p.Client = at("client_id")
	p.AuthorizedParty = at("client_id")
	p.Roles = at("cognito:groups")
	p.Permissions = nil
	p.Scopes = at("scope")
	p.kindOf = func(h header, c *claims) auth.Kind {
		if use, _ := c.get("token_use").Text(); use != "access" {
			return 0
		}
		return kindOfOIDC(h, c)
	}
	return p
}

// Entra returns the profile of Microsoft Entra ID, for tokens of version 2. The
// user is named by oid, which is the same for every application of the tenant.
func Entra() Profile {
	p := standard("entra")
	p.Subject = at("oid")
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.OrganizationID = at("tid")
	p.Permissions = nil
	p.Scopes = at("scp")
	p.kindOf = func(h header, c *claims) auth.Kind {
		if idtyp, _ := c.get("idtyp").Text(); idtyp == "app" {
			return auth.KindMachine
		}
		return kindOfOIDC(h, c)
	}
	return p
}

// Google returns the profile of Google's ID tokens. The issuer is
// https://accounts.google.com; the audience is the client's id.
func Google() Profile {
	p := standard("google")
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.OrganizationID = at("hd")
	p.Roles, p.Permissions, p.Scopes = nil, nil, nil
	return p
}

// Hydra returns the profile of Ory Hydra, whose custom claims lie under ext.
func Hydra() Profile {
	p := standard("hydra")
	p.Client = at("client_id")
	p.AuthorizedParty = at("client_id")
	p.Roles = at("ext", "roles")
	p.Permissions = at("ext", "permissions")
	p.Scopes = []Path{{"scp"}, {"scope"}}
	return p
}

// Keycloak returns the profile of a Keycloak realm. Besides the realm's roles it
// reads those that a client defines, of the clients named in Audiences alone.
func Keycloak() Profile {
	p := standard("keycloak")
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.Roles = []Path{{"realm_access", "roles"}, {"resource_access", AnyAudience, "roles"}}
	p.Permissions = nil
	p.Scopes = at("scope")
	return p
}

// Supabase returns the profile of Supabase Auth. The issuer's URL ends in
// /auth/v1; the audience of a user is authenticated.
func Supabase() Profile {
	p := standard("supabase")
	p.Algorithms = []string{"ES256", "RS256"}
	p.Session = at("session_id")
	p.OrganizationID = at("app_metadata", "org_id")
	p.Roles = at("role")
	p.Permissions = at("app_metadata", "permissions")
	p.Scopes = nil
	return p
}

// WorkOS returns the profile of WorkOS AuthKit. Its tokens have neither
// audience nor authorized party, and its keys are at /sso/jwks/{client}.
func WorkOS() Profile {
	p := standard("workos")
	p.OrganizationID = at("org_id")
	p.OrganizationRole = at("role")
	p.Roles = []Path{{"role"}, {"roles"}}
	p.Scopes = nil
	return p
}

// ZITADEL returns the profile of a ZITADEL instance, whose roles are the names
// of an object.
func ZITADEL() Profile {
	p := standard("zitadel")
	p.OrganizationID = at("urn:zitadel:iam:user:resourceowner:id")
	p.Roles = at("urn:zitadel:iam:org:project:roles")
	p.Permissions = nil
	return p
}

// kindOfOIDC tells a machine's token by its subject, which is then the client
// itself (RFC 9068, section 2.2), an OAuth access token by its type, and takes
// the rest for a user's session.
func kindOfOIDC(h header, c *claims) auth.Kind {
	subject, _ := c.get("sub").Text()
	client, _ := c.get("client_id").Text()
	party, _ := c.get("azp").Text()
	switch {
	case subject != "" && (subject == client || subject == party):
		return auth.KindMachine
	case h.isType("at+jwt"):
		return auth.KindOAuth
	default:
		return auth.KindSession
	}
}
