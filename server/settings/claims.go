package settings

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/interceptors/token"
)

// Claims says where the claims of an issuer's tokens are, where that is not as its
// profile says. Each entry is the name of a claim, or for one within another a JSON
// Pointer (RFC 6901) such as /realm_access/roles. In it {audience} stands for each
// of the audiences. Default: the profile's.
type Claims struct {
	// Roles and Groups both become roles of the caller, gathered from all entries.
	Roles, Groups []string
	// Permissions are gathered from all entries.
	Permissions []string
	// Scopes, and the others below, are read from the first entry that the token
	// has.
	Scopes           []string
	Organization     []string // the organization's id
	OrganizationRole []string
	Session          []string
	// NameMember is the member that has the name, where a role, group or permission
	// is an object. Default: objects grant nothing, except as the profile says.
	NameMember string
}

// claimField is one field of Claims: its setting, and the paths in a profile that
// it replaces.
type claimField struct {
	setting string
	entries []string
	paths   *[]token.ClaimPath
}

func (c *Claims) fields(p *token.Profile) []claimField {
	return []claimField{
		{"roles_claim", c.Roles, &p.Roles},
		{"groups_claim", c.Groups, &p.Groups},
		{"permissions_claim", c.Permissions, &p.Permissions},
		{"scopes_claim", c.Scopes, &p.Scopes},
		{"organization_claim", c.Organization, &p.OrganizationID},
		{"organization_role_claim", c.OrganizationRole, &p.OrganizationRole},
		{"session_claim", c.Session, &p.Session},
	}
}

// apply replaces paths of the profile. It leaves out entries that are at fault.
func (c *Claims) apply(profile *token.Profile) {
	for _, field := range c.fields(profile) {
		if len(field.entries) == 0 {
			continue
		}
		*field.paths = nil
		for _, entry := range field.entries {
			if path, err := claimPath(entry); err == nil {
				*field.paths = append(*field.paths, path)
			}
		}
	}
	if c.NameMember != "" {
		profile.NameMember = c.NameMember
	}
}

func (c *Claims) faults() []Fault {
	var faults []Fault
	for _, field := range c.fields(new(token.Profile)) {
		for _, entry := range field.entries {
			if _, err := claimPath(entry); err != nil {
				faults = append(faults, Fault{Setting: field.setting, Err: err})
			}
		}
	}
	return faults
}

// claimPath reads the name of a claim, which may have dots and slashes as in
// https://example.com/roles, or a JSON Pointer, which begins with a slash.
func claimPath(entry string) (token.ClaimPath, error) {
	pointer, isPointer := strings.CutPrefix(entry, "/")
	if !isPointer && entry != "" {
		return token.ClaimPath{entry}, nil
	}
	path := token.ClaimPath(strings.Split(pointer, "/"))
	for i, member := range path {
		unescaped := pointerEscapes.Replace(member)
		if member == "" || strings.Count(member, "~") != strings.Count(member, "~0")+strings.Count(member, "~1") {
			return nil, fmt.Errorf("%q is not a claim; write its name, or for a claim within another a JSON Pointer such as /realm_access/roles", entry)
		}
		path[i] = unescaped
	}
	return path, nil
}

// pointerEscapes are those of RFC 6901, section 3.
var pointerEscapes = strings.NewReplacer("~1", "/", "~0", "~")
