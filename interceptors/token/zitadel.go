package token

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

const zitadelRoles = "urn:zitadel:iam:org:project:"

// ZITADEL returns the profile of a ZITADEL instance, whose roles are the names
// of an object: those of the projects that Audiences name. Only a token without
// roles of named projects, or an Issuer without Audiences, has those of the project
// that the token was requested for. A service user's token is one whose client is
// not in its audience, as every application's is.
func ZITADEL() Profile {
	p := standard("zitadel")
	p.OrganizationID = []ClaimPath{{"urn:zitadel:iam:user:resourceowner:id"}, {"urn:zitadel:iam:org:id"}}
	p.Roles = at(zitadelRoles + AudiencePlaceholder + ":roles")
	p.RolesAreNames = true
	p.Permissions = nil
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		if client := p.clientOf(c); is != purposeID && client != "" && !hasAudience(c, client) {
			return auth.KindMachine
		}
		return kindOfOIDC(p, h, c, is)
	}
	p.extends.Roles = true
	p.extend = func(p *Profile, c *claims, id *record) {
		if len(p.Roles) == 0 || !hasProjectRoles(c) {
			names, _ := c.memberNames(ClaimPath{zitadelRoles + "roles"})
			id.Roles = appendNew(id.Roles, names)
		}
	}
	return p
}

// hasProjectRoles reports whether the token has the roles of projects by name.
func hasProjectRoles(c *claims) bool {
	return slices.ContainsFunc(c.members, func(m strictjson.Member) bool {
		project, ok := strings.CutPrefix(m.Name, zitadelRoles)
		return ok && strings.HasSuffix(project, ":roles")
	})
}
