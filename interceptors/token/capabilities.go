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
	p.Verification = p.Verification || i.Profile.onlyIDsVerified && slices.Contains(p.Kinds, auth.KindID)
	return p
}

// provides is what the paths of a profile lead to, and what its extend reads beside
// them.
func (p *Profile) provides() auth.IssuerCapabilities {
	return auth.IssuerCapabilities{
		Kinds:        p.kinds(),
		Organization: p.extends.Organization || len(p.OrganizationID) > 0,
		Roles:        p.extends.Roles || len(p.Roles)+len(p.Groups) > 0,
		Permissions:  p.extends.Permissions || len(p.Permissions) > 0,
		Scopes:       p.extends.Scopes || len(p.Scopes) > 0,
		Features:     p.extends.Features,
		Plans:        p.extends.Plans,
		Verification: !p.onlyIDsVerified,
	}
}

// kinds are those that kindOf may return.
func (p *Profile) kinds() []auth.TokenKind {
	if len(p.extends.Kinds) > 0 {
		return p.extends.Kinds
	}
	return []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine, auth.KindID}
}
