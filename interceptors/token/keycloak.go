package token

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// Keycloak returns the profile of a Keycloak realm. Besides the realm's roles it
// reads those that a client defines, of the clients named in Audiences alone, and
// the groups where a mapper adds them. The organization is known where the token
// names exactly one.
//
// A client's own token is one of a service account: by its user name, by the address
// of the client, or by client_id in a token without a session. A lightweight access token may have
// neither, and is of kind oauth. Every access token of a user is that of a client:
// name your own in FirstPartyClients.
func Keycloak() Profile {
	p := standard("keycloak")
	p.Session = []ClaimPath{{"sid"}, {"session_state"}}
	p.namesSession = true
	p.Client = []ClaimPath{{"azp"}, {"client_id"}}
	p.AuthorizedParty = at("azp")
	p.Roles = []ClaimPath{{"realm_access", "roles"}, {"resource_access", AudiencePlaceholder, "roles"}}
	p.Groups = at("groups")
	p.Permissions = nil
	p.Scopes = at("scope")
	p.kindOf = kindOfKeycloak
	p.extends.Organization = true
	p.extend = func(_ *Profile, c *claims, id *record) {
		if id.Organization.ID == "" {
			id.Organization.ID, id.Organization.Slug = keycloakOrganization(c)
		}
	}
	return p
}

// kindOfKeycloak goes by the payload's typ, which Keycloak writes into every
// token that it signs.
func kindOfKeycloak(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
	switch {
	case is == purposeID:
		return auth.KindID
	case c.has("typ") && purposeNamed(c.word("typ")) != purposeAccess:
		return 0 // to verify an address, to register a client…
	}
	account := strings.HasPrefix(c.word("preferred_username"), "service-account-")
	granted := c.has("clientHost") || c.has("clientAddress") // of the grant to a client alone, which may have a session
	byClient := c.has("client_id") || c.has("clientId")
	switch session := c.word("sid") != "" || c.word("session_state") != ""; {
	case granted, account && (byClient || !session), byClient && !session:
		return auth.KindMachine
	case account:
		return 0 // a user can choose such a name
	case !c.has("sub"):
		return auth.KindOAuth // and refused for want of sub: a user's token may lack it too
	default:
		return kindOfOIDC(p, h, c, is)
	}
}

// keycloakOrganization returns the id and the alias of the one organization in
// the claim organization: an alias, a list of aliases, or an object of aliases
// with what is known of each. An alias is unique and never changes, and stands for
// an id that is not there.
func keycloakOrganization(c *claims) (id, alias string) {
	v := c.get("organization")
	if members, ok := c.object(v); ok {
		members = slices.DeleteFunc(members, func(m strictjson.Member) bool { return m.Value == "null" })
		if len(members) != 1 {
			return "", ""
		}
		alias = members[0].Name
		if known, ok := members[0].Value.Members(nil); ok {
			id, _ = object(known).get("id").Text()
		}
	} else if aliases, ok := listOf(v, ""); ok && len(aliases) == 1 {
		alias = aliases[0]
	} else if v != "" && !ok {
		c.cannotRead("organization")
	}
	if id == "" {
		id = alias
	}
	return id, alias
}
