package token

import (
	"cmp"
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
// Roles, Groups and Permissions, which are gathered from all. A path that a token
// lacks, or that is null there, leaves its field empty. A claim of the wrong type
// is refused with ClaimInvalid. In Roles, Groups, Permissions, Scopes and
// OrganizationRole it grants nothing instead, and Config.Logger receives a warning.
type Profile struct {
	// Name is the profile's name in settings, such as clerk.
	Name string
	// Algorithms are accepted where an Issuer names none.
	Algorithms []string
	// Kinds are accepted where an Issuer names none. Empty means those of OIDC.
	Kinds []auth.TokenKind
	// MaxTokenBytes is the longest accepted token where neither the Issuer nor the
	// Config says. 0 means DefaultMaxTokenBytes.
	MaxTokenBytes int

	// Subject is where the user is named, if not in sub, which every token must
	// have all the same, except a client's own: its subject then is the client.
	Subject          []ClaimPath
	Session          []ClaimPath
	Client           []ClaimPath
	AuthorizedParty  []ClaimPath
	OrganizationID   []ClaimPath
	OrganizationSlug []ClaimPath
	OrganizationRole []ClaimPath
	// Roles and Groups both become roles of the identity, since rules know roles
	// alone: lists of strings, or a string. Where anybody can create a group, leave
	// Groups empty.
	Roles  []ClaimPath
	Groups []ClaimPath
	// Permissions are lists of strings, or a string.
	Permissions []ClaimPath
	// Scopes are a list of strings, or a string with spaces.
	Scopes []ClaimPath

	// NameMember is the member that has the name, where a role, group or permission
	// is an object: name reads admin from {"name":"admin","owner":"acme"}. ""
	// means that an object grants nothing.
	NameMember string
	// RolesAreNames reads the member names of an object as roles, as in
	// {"admin":{"2021":"acme.example.net"}}. False means that an object grants
	// nothing.
	RolesAreNames bool

	// kindOf returns the kind of a token whose type is a JWT's or an access token's
	// and whose purpose may be that of a credential; nil means kindOfOIDC.
	kindOf func(p *Profile, h header, c *claims, is purpose) auth.TokenKind
	// extend reads what paths cannot say; nil means nothing.
	extend func(p *Profile, c *claims, id *record)
	// extends is what extend and kindOf can give an identity beyond what the paths, and
	// kindOfOIDC, say.
	extends auth.IssuerCapabilities
	// namesSession: every access token of a user names its session.
	namesSession bool
	// onlyIDsVerified: no token but an ID token ever says when or how its user was
	// verified.
	onlyIDsVerified bool
	// spellings are the values of iss that mean the same issuer.
	spellings []string
	// partiesAreOrigins: azp is the origin of a page, not the id of a client.
	partiesAreOrigins bool
	// bySubject: the issuer is the trust domain of sub, and iss may be absent.
	bySubject bool
	// accessNamesClient: every access token names its client, so that one without is
	// none.
	accessNamesClient bool
	// allowJOSE accepts the header typ JOSE beside JWT.
	allowJOSE bool
}

// NamesSession reports whether each access token of a user names its session, at an issuer
// of this profile that is set up as it comes. Other issuers may do so by a setting of
// theirs.
func (p *Profile) NamesSession() bool { return p.namesSession }

// expand replaces each path that goes through [AudiencePlaceholder] by one for each
// audience.
func (p *Profile) expand(audiences []string) {
	for _, paths := range []*[]ClaimPath{&p.Roles, &p.Groups, &p.Permissions} {
		var out []ClaimPath
		for _, path := range *paths {
			if !slices.ContainsFunc(path, func(name string) bool { return strings.Contains(name, AudiencePlaceholder) }) {
				out = append(out, path)
				continue
			}
			for _, audience := range audiences {
				one := slices.Clone(path)
				for i := range one {
					one[i] = strings.ReplaceAll(one[i], AudiencePlaceholder, audience)
				}
				out = append(out, one)
			}
		}
		*paths = out
	}
}

// identity reads everything but the issuer. Faults are kept in c.
func (p *Profile) identity(c *claims, kind auth.TokenKind) *auth.Identity {
	id := &record{Identity: auth.Identity{
		Kind:            kind,
		TokenID:         c.textOf("jti", c.get("jti")),
		SessionID:       c.firstText(p.Session),
		ClientID:        c.firstText(p.Client),
		AuthorizedParty: c.firstText(p.AuthorizedParty),
		Audience:        c.texts("aud", c.get("aud")),
		Organization: auth.Organization{
			ID:   c.firstText(p.OrganizationID),
			Slug: c.firstText(p.OrganizationSlug),
			Role: c.firstGrant(p.OrganizationRole),
		},
		Actor:     actor(c),
		IssuedAt:  c.date("iat"),
		NotBefore: c.date("nbf"),
		ExpiresAt: c.date("exp"),
		ACR:       c.grantText("acr", c.get("acr")),
		AMR:       c.grants(ClaimPath{"amr"}, "method"), // an object of Supabase's has its method
	}}
	id.AuthTime = authTime(c, id.IssuedAt)
	id.Subject = p.subject(c, &id.Identity)
	for _, path := range p.Roles {
		id.Roles = appendNew(id.Roles, p.roles(c, path))
	}
	for _, path := range p.Groups {
		id.Roles = appendNew(id.Roles, c.grants(path, p.NameMember))
	}
	for _, path := range p.Permissions {
		id.Permissions = appendNew(id.Permissions, c.grants(path, p.NameMember))
	}
	for _, path := range p.Scopes {
		if c.find(path) != "" {
			id.Scopes = c.words(path)
			break
		}
	}
	if id.ExpiresAt.IsZero() {
		c.missing("exp")
	}
	if p.extend != nil {
		p.extend(p, c, id)
	}
	if kind == auth.KindMachine {
		id.SessionID = "" // a claim of that name is nobody's session
	}
	checkTexts(c, &id.Identity)
	return &id.Identity
}

// roles reads one claim of roles.
func (p *Profile) roles(c *claims, path ClaimPath) []string {
	if p.RolesAreNames {
		if names, ok := c.memberNames(path); ok {
			return names
		}
	}
	return c.grants(path, p.NameMember)
}

// appendNew appends the names that are not in list yet. A first list is taken as
// it is.
func appendNew(list, names []string) []string {
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

// subject reads who the token is about: sub (RFC 7519, section 4.1.2), which
// everything hangs on, or what stands for it.
func (p *Profile) subject(c *claims, id *auth.Identity) string {
	v := c.get("sub")
	s := c.textOf("sub", v)
	switch {
	case v == "" && id.Kind == auth.KindMachine && id.ClientID != "":
		s = id.ClientID
	case v == "":
		c.missing("sub")
	case s == "":
		c.invalid("sub", "is empty")
	}
	return cmp.Or(c.firstText(p.Subject), s)
}

// checkTexts refuses control characters in whatever is written to logs, headers
// and storage.
func checkTexts(c *claims, id *auth.Identity) {
	check := func(claim string, texts ...string) {
		for _, text := range texts {
			if !isPlain(text) {
				c.invalid(claim, "or what stands for it has a control character")
			}
		}
	}
	check("sub", id.Subject)
	check("jti", id.TokenID)
	check("sid", id.SessionID)
	check("client_id", id.ClientID)
	check("azp", id.AuthorizedParty)
	check("aud", id.Audience...)
	check("organization", id.Organization.ID, id.Organization.Slug, id.Organization.Role)
	check("roles", id.Roles...)
	check("permissions", id.Permissions...)
	check("scope", id.Scopes...)
	check("features", id.Features...)
	check("plans", id.Plans...)
	check("acr", id.ACR)
	check("amr", id.AMR...)
	if a := id.Actor; a != nil {
		check("act", a.Issuer, a.Subject, a.SessionID, a.Type)
	}
}

// record is an identity and what most identities point to, in one piece of
// memory.
type record struct {
	auth.Identity

	role [1]string
	ages auth.FactorAges
}

// setOrganization takes the organization that the token names by itself, where no
// path of the profile says otherwise, and its role. It reports whether the caller
// acts in it: role and permissions mean nothing without an organization.
func (r *record) setOrganization(organization auth.Organization) bool {
	if r.Organization.ID == "" {
		organization.Role = cmp.Or(r.Organization.Role, organization.Role)
		r.Organization = organization
	}
	if organization.ID == "" || r.Organization.ID != organization.ID {
		return false
	}
	if r.role[0] = r.Organization.Role; r.role[0] != "" {
		r.Roles = appendNew(r.role[:], r.Roles)
	}
	return true
}

// check returns what is wrong with a profile that somebody wrote.
func (p *Profile) check() error {
	if p.Name == "" {
		return errors.New("the Profile has no Name: begin with a copy of one of this package")
	}
	for _, paths := range [][]ClaimPath{
		p.Subject, p.Session, p.Client, p.AuthorizedParty, p.OrganizationID, p.OrganizationSlug,
		p.OrganizationRole, p.Roles, p.Groups, p.Permissions, p.Scopes,
	} {
		if slices.ContainsFunc(paths, func(path ClaimPath) bool { return len(path) == 0 }) {
			return errors.New("the Profile has an empty Path: name the claim")
		}
	}
	return nil
}

// authTime reads auth_time. One that cannot be read, as some issuers write a date
// in words, or that is after the token was issued, never counts as fresh.
func authTime(c *claims, issued time.Time) time.Time {
	v := c.get("auth_time")
	if v == "" {
		return time.Time{}
	}
	t, ok := dateOf(v)
	if !ok || !issued.IsZero() && t.After(issued) {
		c.cannotRead("auth_time")
		return time.Time{}
	}
	return t
}

// actor reads act (RFC 8693, section 4.1); nested actors are history and mean
// nothing.
func actor(c *claims) *auth.Actor {
	v := c.get("act")
	if v == "" {
		return nil
	}
	members, ok := c.object(v)
	if !ok {
		c.invalid("act", "is not an object")
		return nil
	}
	a := &auth.Actor{
		Issuer:    c.textOf("act.iss", members.get("iss")),
		Subject:   c.textOf("act.sub", members.get("sub")),
		SessionID: c.textOf("act.sid", members.get("sid")),
		Type:      c.textOf("act.type", members.get("type")),
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
