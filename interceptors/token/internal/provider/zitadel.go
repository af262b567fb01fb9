package provider

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// ZITADELRoles begins the names of the claims that have the roles of a project.
const ZITADELRoles = "urn:zitadel:iam:org:project:"

// ZITADEL has the roles of the project that a token was requested for beside those of projects
// by their names.
func ZITADEL() Provider {
	return Provider{
		Extends: auth.IssuerCapabilities{Roles: true},
		kindOf: func(p *Provider, t *Token) auth.TokenKind {
			if t.purpose != purposeID && t.Client != "" && !hasAudience(t, t.Client) {
				return auth.KindMachine
			}
			return kindOfOIDC(p, t)
		},
		read: func(t *Token, id *Record) {
			if !t.NamesRoles || !hasProjectRoles(t) {
				names, _ := t.MemberNames([]string{ZITADELRoles + "roles"})
				id.Roles = AppendNew(id.Roles, names)
			}
		},
	}
}

// hasProjectRoles reports whether the token has the roles of projects by name.
func hasProjectRoles(t *Token) bool {
	return slices.ContainsFunc(t.Members, func(m strictjson.Member) bool {
		project, ok := strings.CutPrefix(m.Name, ZITADELRoles)
		return ok && strings.HasSuffix(project, ":roles")
	})
}
