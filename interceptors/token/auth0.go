package token

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

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
	p.extends.Roles = true
	p.onlyIDsVerified = true // Auth0 keeps acr, amr and auth_time out of access tokens
	p.accessNamesClient = true
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		if is != purposeID && strings.HasSuffix(c.word("sub"), "@clients") {
			return auth.KindMachine
		}
		return kindOfOIDC(p, h, c, is)
	}
	p.extend = func(p *Profile, c *claims, id *record) {
		if name := namespacedRoles(c); name != "" && len(p.Roles) == 0 {
			id.Roles = appendNew(id.Roles, c.grants(ClaimPath{name}, p.NameMember))
		}
	}
	return p
}

// namespacedRoles returns the name of the one claim whose name is a URL that
// ends in /roles; "" when there is none, or when there are several, which may be
// meant for several services.
func namespacedRoles(c *claims) string {
	var found string
	for _, m := range c.members {
		if m.Value == "null" || !strings.HasSuffix(m.Name, "/roles") || !strings.HasPrefix(m.Name, "https://") && !strings.HasPrefix(m.Name, "http://") {
			continue
		}
		if found != "" {
			return ""
		}
		found = m.Name
	}
	return found
}
