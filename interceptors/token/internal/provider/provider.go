// Package provider knows how the tokens of each provider differ from those of OpenID Connect,
// beyond what the paths of a profile say: how their kinds differ, and the claims that
// have a form of their own.
//
//	keycloak := provider.Keycloak()
//	kind := keycloak.Kind(&token)
//	keycloak.Read(&token, &record)
package provider

import (
	"cmp"
	"slices"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// A Provider is how the tokens of one provider differ. The zero value is an issuer that follows
// OpenID Connect and RFC 9068.
type Provider struct {
	// Extends are what its kinds, and Read, can give an identity beyond what paths, and the
	// kinds of OpenID Connect, say.
	Extends auth.IssuerCapabilities
	// NamesSession: every access token of a user names its session.
	NamesSession bool
	// OnlyIDsVerified: no token but an ID token ever says when or how its user was
	// verified.
	OnlyIDsVerified bool
	// Spellings are the values of iss that mean the same issuer.
	Spellings []string
	// PartiesAreOrigins: azp is the origin of a page, not the id of a client.
	PartiesAreOrigins bool
	// BySubject: the issuer is the trust domain of sub, and iss may be absent.
	BySubject bool

	// accessNamesClient: every access token names its client, so that one without is
	// none.
	accessNamesClient bool
	// allowJOSE accepts the header typ JOSE beside JWT.
	allowJOSE bool
	// kindOf returns the kind of a token whose type is a JWT's or an access token's
	// and whose purpose may be that of a credential; nil means kindOfOIDC.
	kindOf func(*Provider, *Token) auth.TokenKind
	// read reads what paths cannot say; nil means nothing.
	read func(*Token, *Record)
}

// A Token is what a provider goes by: the claims, what is read of the header, and what the
// profile of the issuer leads to.
type Token struct {
	claims.Claims

	// Type is the media type of the header, and Category is Clerk's cat; "" if there is none.
	Type, Category string
	// Client and AuthorizedParty are what the paths of the profile lead to.
	Client, AuthorizedParty string
	// NamesRoles reports whether the profile has a path for roles.
	NamesRoles bool
	// NameMember is the profile's.
	NameMember string

	purpose purpose
}

// A Record is an identity and what most identities point to, in one piece of
// memory.
type Record struct {
	auth.Identity

	role [1]string
	ages auth.FactorAges
}

// setOrganization takes the organization that the token names by itself, where no
// path of the profile says otherwise, and its role. It reports whether the caller
// acts in it: role and permissions mean nothing without an organization.
func (r *Record) setOrganization(organization auth.Organization) bool {
	if r.Organization.ID == "" {
		organization.Role = cmp.Or(r.Organization.Role, organization.Role)
		r.Organization = organization
	}
	if organization.ID == "" || r.Organization.ID != organization.ID {
		return false
	}
	if r.role[0] = r.Organization.Role; r.role[0] != "" {
		r.Roles = AppendNew(r.role[:], r.Roles)
	}
	return true
}

// AppendNew appends the names that are not in list yet. A first list is taken as
// it is.
func AppendNew(list, names []string) []string {
	if len(list) == 0 {
		return names
	}
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// Kind returns the kind of a token, zero when it is none that is ever accepted.
func (p *Provider) Kind(t *Token) auth.TokenKind {
	if !p.acceptsType(t) {
		t.Mark = "header member typ"
		return 0
	}
	t.purpose = purposeOf(t)
	switch {
	case t.purpose == purposeOther:
		return 0
	case p.kindOf != nil:
		return p.kindOf(p, t)
	default:
		return kindOfOIDC(p, t)
	}
}

// acceptsType reports whether the header's typ is that of a credential.
func (p *Provider) acceptsType(t *Token) bool {
	return t.Type == "" || t.isType("jwt") || t.isType("at+jwt") || p.allowJOSE && t.isType("jose")
}

// Read reads into id what the paths of a profile cannot say. Faults are kept in t.
func (p *Provider) Read(t *Token, id *Record) {
	if p.read != nil {
		p.read(t, id)
	}
}
