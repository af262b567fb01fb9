package token

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A Profile says where the tokens of one kind of issuer keep what an
// [auth.Identity] holds. It is data: take one of this package, such as [Clerk]
// or [OIDC], and change the paths of the copy where your issuer differs.
//
// Where a field has several paths, the first that is present counts, except for
// Roles and Permissions, which are gathered from all. A path that a token lacks
// leaves its field empty; a claim of the wrong type is ClaimInvalid.
type Profile struct {
	// Name is the profile's name in settings, such as clerk.
	Name string
	// Algorithms are accepted where an Issuer names none.
	Algorithms []string

	// Subject is where the user is named, if not in sub, which every token must
	// have all the same.
	Subject          []Path
	Session          []Path
	Client           []Path
	AuthorizedParty  []Path
	OrganizationID   []Path
	OrganizationSlug []Path
	OrganizationRole []Path
	Roles            []Path // lists of strings, a string, or an object whose names are the roles
	Permissions      []Path // lists of strings, or a string
	Scopes           []Path // lists of strings, or a string with spaces

	// kindOf tells the kind of a token whose type is a JWT's or an access
	// token's; nil means kindOfOIDC.
	kindOf func(h header, c *claims) auth.Kind
	// extend reads what paths cannot say; nil means nothing.
	extend func(c *claims, id *record)
}

// expand replaces each path that goes through [AnyAudience] by one for each
// audience.
func (p *Profile) expand(audiences []string) {
	for _, paths := range []*[]Path{&p.Roles, &p.Permissions} {
		var out []Path
		for _, path := range *paths {
			at := slices.Index(path, AnyAudience)
			if at < 0 {
				out = append(out, path)
				continue
			}
			for _, audience := range audiences {
				one := slices.Clone(path)
				one[at] = audience
				out = append(out, one)
			}
		}
		*paths = out
	}
}

// kind tells the kind of a token, zero when it is none that is ever accepted.
func (p *Profile) kind(h header, c *claims) auth.Kind {
	if h.typ != "" && !h.isType("jwt") && !h.isType("at+jwt") {
		return 0
	}
	if p.kindOf != nil {
		return p.kindOf(h, c)
	}
	return kindOfOIDC(h, c)
}

// identity reads everything but issuer and kind. Faults are kept in c.
func (p *Profile) identity(c *claims) *auth.Identity {
	id := &record{Identity: auth.Identity{
		Subject:         subject(c),
		TokenID:         c.textOf("jti", c.get("jti")),
		SessionID:       c.firstText(p.Session),
		ClientID:        c.firstText(p.Client),
		AuthorizedParty: c.firstText(p.AuthorizedParty),
		Audience:        audience(c),
		Organization: auth.Organization{
			ID:   c.firstText(p.OrganizationID),
			Slug: c.firstText(p.OrganizationSlug),
			Role: c.firstText(p.OrganizationRole),
		},
		Actor:     actor(c),
		IssuedAt:  c.date("iat"),
		NotBefore: c.date("nbf"),
		ExpiresAt: c.date("exp"),
	}}
	for _, path := range p.Roles {
		id.Roles = append(id.Roles, c.names(path[len(path)-1], c.find(path))...)
	}
	for _, path := range p.Permissions {
		id.Permissions = append(id.Permissions, c.texts(path[len(path)-1], c.find(path))...)
	}
	for _, path := range p.Scopes {
		if v := c.find(path); v != "" {
			id.Scopes = c.words(path[len(path)-1], v)
			break
		}
	}
	if id.ExpiresAt.IsZero() {
		c.missing("exp")
	}
	if user := c.firstText(p.Subject); user != "" {
		id.Subject = user
	}
	// Logs are read by these, and revocations name them.
	c.wantPlain("sub", id.Subject)
	c.wantPlain("jti", id.TokenID)
	c.wantPlain("sid", id.SessionID)
	c.wantPlain("client_id", id.ClientID)
	if p.extend != nil {
		p.extend(c, id)
	}
	return &id.Identity
}

// record is an identity and what most identities point to, in one piece of
// memory.
type record struct {
	auth.Identity

	role [1]string
	ages auth.FactorAges
}

// setRole makes role the only one, if it is not empty.
func (r *record) setRole(role string) {
	if role != "" {
		r.role[0] = role
		r.Roles = r.role[:]
	}
}

// check returns what is wrong with a profile that somebody wrote.
func (p *Profile) check() error {
	if p.Name == "" {
		return errors.New("the Profile has no Name: begin with a copy of one of this package")
	}
	for _, paths := range [][]Path{
		p.Subject, p.Session, p.Client, p.AuthorizedParty, p.OrganizationID, p.OrganizationSlug,
		p.OrganizationRole, p.Roles, p.Permissions, p.Scopes,
	} {
		if slices.ContainsFunc(paths, func(path Path) bool { return len(path) == 0 }) {
			return errors.New("the Profile has an empty Path: name the claim")
		}
	}
	return nil
}

// subject reads sub (RFC 7519, section 4.1.2), which everything hangs on.
func subject(c *claims) string {
	v := c.get("sub")
	s := c.textOf("sub", v)
	switch {
	case v == "":
		c.missing("sub")
	case s == "":
		c.invalid("sub", "is empty")
	}
	return s
}

// audience reads aud (RFC 7519, section 4.1.3): a string or a list of strings.
func audience(c *claims) []string {
	v := c.get("aud")
	list := c.texts("aud", v)
	if v != "" && len(list) == 0 {
		c.invalid("aud", "is an empty list")
	}
	return list
}

// actor reads act (RFC 8693, section 4.1); nested actors are history and mean
// nothing.
func actor(c *claims) *auth.Actor {
	v := c.get("act")
	if v == "" {
		return nil
	}
	members, ok := v.Members(c.inner[:0])
	if !ok {
		c.invalid("act", "is not an object")
		return nil
	}
	a := &auth.Actor{
		Issuer:    c.textOf("act.iss", members.Get("iss")),
		Subject:   c.textOf("act.sub", members.Get("sub")),
		SessionID: c.textOf("act.sid", members.Get("sid")),
		Type:      c.textOf("act.type", members.Get("type")),
	}
	if a.Subject == "" {
		c.invalid("act", "names no subject")
	}
	return a
}

// factorAge turns minutes into a duration; -1 stays negative.
func factorAge(minutes int64) time.Duration {
	if minutes < 0 {
		return -1
	}
	return time.Duration(minutes) * time.Minute
}

// prefixOrg gives a name of an organization its one org: prefix.
func prefixOrg(name string) string {
	if name == "" || strings.HasPrefix(name, "org:") {
		return name
	}
	return "org:" + name
}
