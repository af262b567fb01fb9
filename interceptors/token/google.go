package token

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

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
	p.spellings = []string{"https://accounts.google.com", "accounts.google.com"}
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.OrganizationID = at("hd")
	p.Roles, p.Permissions, p.Scopes = nil, nil, nil
	p.extends.Kinds = []auth.TokenKind{auth.KindMachine, auth.KindID}
	p.kindOf = func(p *Profile, _ header, c *claims, _ purpose) auth.TokenKind {
		if strings.HasSuffix(strings.ToLower(c.word("email")), ".gserviceaccount.com") || isMachine(p, c) {
			return auth.KindMachine
		}
		return auth.KindID
	}
	return p
}
