package token

import (
	"slices"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Capabilities returns what the identities of the issuer can have. It needs neither Keys
// nor anything else than URL, Profile, Kinds and Audiences, and checks nothing.
func (i *Issuer) Capabilities() auth.IssuerCapabilities {
	own := *i
	i = &own
	i.fitProfile()
	kinds := slices.Clone(i.Kinds)
	if len(kinds) == 0 {
		kinds = i.defaultKinds()
	}
	p := i.Profile.provides()
	p.Issuer = i.URL
	p.Kinds = slices.DeleteFunc(kinds, func(k auth.TokenKind) bool { return !slices.Contains(p.Kinds, k) })
	p.Verification = p.Verification || i.Profile.provider.OnlyIDsVerified && slices.Contains(p.Kinds, auth.KindID)
	return p
}

// provides is what the paths of a profile lead to, and what its provider has beside
// them.
func (p *Profile) provides() auth.IssuerCapabilities {
	return auth.IssuerCapabilities{
		Kinds:        p.kinds(),
		Organization: p.provider.Extends.Organization || len(p.OrganizationID) > 0,
		Roles:        p.provider.Extends.Roles || len(p.Roles)+len(p.Groups) > 0,
		Permissions:  p.provider.Extends.Permissions || len(p.Permissions) > 0,
		Scopes:       p.provider.Extends.Scopes || len(p.Scopes) > 0,
		Features:     p.provider.Extends.Features,
		Plans:        p.provider.Extends.Plans,
		Verification: !p.provider.OnlyIDsVerified,
	}
}

// kinds are those that the provider may give.
func (p *Profile) kinds() []auth.TokenKind {
	if len(p.provider.Extends.Kinds) > 0 {
		return p.provider.Extends.Kinds
	}
	return []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine, auth.KindID}
}
