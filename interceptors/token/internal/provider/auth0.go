package provider

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Auth0 keeps acr, amr and auth_time out of access tokens.
func Auth0() Provider {
	return Provider{
		Extends:           auth.IssuerCapabilities{Roles: true},
		OnlyIDsVerified:   true,
		accessNamesClient: true,
		kindOf: func(p *Provider, t *Token) auth.TokenKind {
			if t.purpose != purposeID && strings.HasSuffix(t.Word("sub"), "@clients") {
				return auth.KindMachine
			}
			return kindOfOIDC(p, t)
		},
		read: func(t *Token, id *Record) {
			if name := namespacedRoles(t); name != "" && !t.NamesRoles {
				id.Roles = AppendNew(id.Roles, t.Grants([]string{name}, t.NameMember))
			}
		},
	}
}

// namespacedRoles returns the name of the one claim whose name is a URL that
// ends in /roles; "" when there is none, or when there are several, which may be
// meant for several services.
func namespacedRoles(t *Token) string {
	var found string
	for _, m := range t.Members {
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
