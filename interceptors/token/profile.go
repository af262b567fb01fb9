package token

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
	"github.com/ostiary/ostiary/interceptors/token/internal/provider"
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

	provider provider.Provider
}

// A ClaimPath names a claim: the members to follow from the payload inwards.
type ClaimPath []string

// AudiencePlaceholder in a ClaimPath, or in a part of one, stands for each of the Issuer's
// Audiences in turn.
const AudiencePlaceholder = "{audience}"

// firstOf returns the first text that read finds at one of the paths, which is not empty.
func firstOf(paths []ClaimPath, read func([]string) string) string {
	for _, path := range paths {
		if s := read(path); s != "" {
			return s
		}
	}
	return ""
}

// NamesSession reports whether each access token of a user names its session, at an issuer
// of this profile that is set up as it comes. Other issuers may do so by a setting of
// theirs.
func (p *Profile) NamesSession() bool { return p.provider.NamesSession }

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

// kind returns the kind of a token, zero when it is none that is ever accepted.
func (p *Profile) kind(h header, t *provider.Token) auth.TokenKind {
	t.Type, t.Category = h.mediaType(), h.category
	t.AuthorizedParty = firstOf(p.AuthorizedParty, t.WordAt)
	t.Client = cmp.Or(firstOf(p.Client, t.WordAt), t.AuthorizedParty)
	t.NamesRoles, t.NameMember = len(p.Roles) > 0, p.NameMember
	return p.provider.Kind(t)
}

// identity reads everything but the issuer. Faults are kept in t.
func (p *Profile) identity(t *provider.Token, kind auth.TokenKind) *auth.Identity {
	id := &provider.Record{Identity: auth.Identity{
		Kind:            kind,
		TokenID:         t.TextOf("jti", t.Get("jti")),
		SessionID:       firstOf(p.Session, t.Text),
		ClientID:        firstOf(p.Client, t.Text),
		AuthorizedParty: firstOf(p.AuthorizedParty, t.Text),
		Audience:        t.Texts("aud", t.Get("aud")),
		Organization: auth.Organization{
			ID:   firstOf(p.OrganizationID, t.Text),
			Slug: firstOf(p.OrganizationSlug, t.Text),
			Role: firstOf(p.OrganizationRole, t.Grant),
		},
		Actor:     actor(t),
		IssuedAt:  t.Date("iat"),
		NotBefore: t.Date("nbf"),
		ExpiresAt: t.Date("exp"),
		ACR:       t.GrantText("acr", t.Get("acr")),
		AMR:       t.Grants(ClaimPath{"amr"}, "method"), // an object of Supabase's has its method
	}}
	id.AuthTime = authTime(t, id.IssuedAt)
	id.Subject = p.subject(t, &id.Identity)
	for _, path := range p.Roles {
		id.Roles = provider.AppendNew(id.Roles, p.roles(t, path))
	}
	for _, path := range p.Groups {
		id.Roles = provider.AppendNew(id.Roles, t.Grants(path, p.NameMember))
	}
	for _, path := range p.Permissions {
		id.Permissions = provider.AppendNew(id.Permissions, t.Grants(path, p.NameMember))
	}
	for _, path := range p.Scopes {
		if t.Find(path) != "" {
			id.Scopes = t.Words(path)
			break
		}
	}
	if id.ExpiresAt.IsZero() {
		t.Missing("exp")
	}
	p.provider.Read(t, id)
	if kind == auth.KindMachine {
		id.SessionID = "" // a claim of that name is nobody's session
	}
	checkTexts(t, &id.Identity)
	return &id.Identity
}

// roles reads one claim of roles.
func (p *Profile) roles(t *provider.Token, path ClaimPath) []string {
	if p.RolesAreNames {
		if names, ok := t.MemberNames(path); ok {
			return names
		}
	}
	return t.Grants(path, p.NameMember)
}

// subject reads who the token is about: sub (RFC 7519, section 4.1.2), which
// everything hangs on, or what stands for it.
func (p *Profile) subject(t *provider.Token, id *auth.Identity) string {
	v := t.Get("sub")
	s := t.TextOf("sub", v)
	switch {
	case v == "" && id.Kind == auth.KindMachine && id.ClientID != "":
		s = id.ClientID
	case v == "":
		t.Missing("sub")
	case s == "":
		t.Invalid("sub", "is empty")
	}
	return cmp.Or(firstOf(p.Subject, t.Text), s)
}

// checkTexts refuses control characters in whatever is written to logs, headers
// and storage.
func checkTexts(t *provider.Token, id *auth.Identity) {
	check := func(claim string, texts ...string) {
		for _, text := range texts {
			if !claims.IsPlain(text) {
				t.Invalid(claim, "or what stands for it has a control character")
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
func authTime(t *provider.Token, issued time.Time) time.Time {
	v := t.Get("auth_time")
	if v == "" {
		return time.Time{}
	}
	at, ok := claims.DateOf(v)
	if !ok || !issued.IsZero() && at.After(issued) {
		t.CannotRead("auth_time")
		return time.Time{}
	}
	return at
}

// actor reads act (RFC 8693, section 4.1); nested actors are history and mean
// nothing.
func actor(t *provider.Token) *auth.Actor {
	v := t.Get("act")
	if v == "" {
		return nil
	}
	members, ok := t.Object(v)
	if !ok {
		t.Invalid("act", "is not an object")
		return nil
	}
	a := &auth.Actor{
		Issuer:    t.TextOf("act.iss", members.Get("iss")),
		Subject:   t.TextOf("act.sub", members.Get("sub")),
		SessionID: t.TextOf("act.sid", members.Get("sid")),
		Type:      t.TextOf("act.type", members.Get("type")),
	}
	if a.Subject == "" {
		t.Invalid("act", "names no subject")
	}
	return a
}
