package token

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Profiles returns every profile of this package.
func Profiles() []Profile {
	return []Profile{
		Clerk(), OIDC(), Auth0(), Cognito(), Dex(), Entra(), GitHubActions(), GitLab(), Google(), Hydra(),
		Keycloak(), Kubernetes(), Okta(), SPIFFE(), Supabase(), WorkOS(), ZITADEL(),
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

// ProfileOf returns the profile of an issuer whose URL says which it is, such as
// https://example.eu.auth0.com/ or https://sso.example.com/realms/acme; and otherwise
// OIDC(). A host clerk.example.com is taken for the Frontend API of a Clerk instance in
// production. The profile says where claims are and never whose keys count.
func ProfileOf(issuer string) Profile {
	u, err := url.Parse(issuer)
	if err != nil {
		return OIDC()
	}
	host := u.Hostname()
	under := func(domains ...string) bool {
		return slices.ContainsFunc(domains, func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) })
	}
	switch {
	case under("clerk.accounts.dev"), strings.HasPrefix(host, "clerk."):
		return Clerk()
	case under("auth0.com"):
		return Auth0()
	case under("amazonaws.com") && strings.HasPrefix(host, "cognito-idp."):
		return Cognito()
	case under("login.microsoftonline.com", "sts.windows.net", "ciamlogin.com"):
		return Entra()
	case host == "token.actions.githubusercontent.com":
		return GitHubActions()
	case host == "gitlab.com":
		return GitLab()
	case host == "accounts.google.com", issuer == "accounts.google.com":
		return Google()
	case under("oryapis.com"):
		return Hydra()
	case strings.Contains(u.Path, "/realms/"):
		return Keycloak()
	case under("okta.com", "oktapreview.com", "okta-emea.com"):
		return Okta()
	case u.Scheme == "spiffe":
		return SPIFFE()
	case under("supabase.co"):
		return Supabase()
	case under("workos.com"):
		return WorkOS()
	case under("zitadel.cloud"):
		return ZITADEL()
	default:
		return OIDC()
	}
}

// JWKSURL returns where an issuer of this profile publishes its keys, if that is always
// the same place; "" where discovery says it (OpenID Connect Discovery 1.0, section 4).
func (p *Profile) JWKSURL(issuer string) string {
	if p.Name == Clerk().Name {
		return strings.TrimSuffix(issuer, "/") + "/.well-known/jwks.json"
	}
	return ""
}

// at is a list of one path.
func at(names ...string) []ClaimPath { return []ClaimPath{names} }

// Clerk returns the profile of a Clerk instance: session tokens of version 1
// and 2, tokens made from a JWT template, OAuth access tokens and machine
// tokens. Its keys are at {issuer}/.well-known/jwks.json. Sessions are accepted
// by default, and with Audiences templates.
func Clerk() Profile {
	return Profile{
		Name:              "clerk",
		Algorithms:        []string{"RS256"},
		Kinds:             []auth.TokenKind{auth.KindSession, auth.KindTemplate},
		Session:           at("sid"),
		Client:            at("client_id"),
		AuthorizedParty:   at("azp"),
		Scopes:            []ClaimPath{{"scp"}, {"scope"}},
		kindOf:            kindOfClerk,
		extend:            extendClerk,
		partiesAreOrigins: true,
		namesSession:      true,
		extends: auth.IssuerCapabilities{
			Kinds:        []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID},
			Organization: true, Roles: true, Permissions: true, Features: true, Plans: true,
		},
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

// Cognito returns the profile of an Amazon Cognito user pool. Its access tokens
// have no audience: name the app client in AuthorizedParties. Groups count as
// roles.
func Cognito() Profile {
	p := standard("cognito")
	p.Session = at("origin_jti")
	p.namesSession = true
	p.Client = at("client_id")
	p.AuthorizedParty = at("client_id")
	p.Roles = nil
	p.Groups = at("cognito:groups")
	p.Permissions = nil
	p.Scopes = at("scope")
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		if purposeNamed(c.word("token_use")) == purposeUnstated {
			return 0 // Cognito writes it into every token
		}
		return kindOfOIDC(p, h, c, is)
	}
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
	p.accessNamesClient = true
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
	p.accessNamesClient = true
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		switch {
		case is != purposeAccess && strings.HasPrefix(c.word("jti"), "ID."):
			return auth.KindID
		case is != purposeID && c.has("cid") && !c.has("uid"):
			return auth.KindMachine
		default:
			return kindOfOIDC(p, h, c, is)
		}
	}
	return p
}

// WorkOS returns the profile of WorkOS AuthKit. Its tokens have neither
// audience nor authorized party, and its keys are at /sso/jwks/{client}. A
// machine's subject is its client, client_….
func WorkOS() Profile {
	p := standard("workos")
	p.namesSession = true
	p.OrganizationID = at("org_id")
	p.OrganizationRole = at("role")
	p.Roles = []ClaimPath{{"role"}, {"roles"}}
	p.Scopes = nil
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		if is != purposeID && strings.HasPrefix(c.word("sub"), "client_") {
			return auth.KindMachine
		}
		return kindOfOIDC(p, h, c, is)
	}
	return p
}
