package provider

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// Keycloak names the organization of the caller if there is exactly one.
func Keycloak() Provider {
	return Provider{
		Extends:      auth.IssuerCapabilities{Organization: true},
		NamesSession: true,
		kindOf:       kindOfKeycloak,
		read: func(t *Token, id *Record) {
			if id.Organization.ID == "" {
				id.Organization.ID, id.Organization.Slug = keycloakOrganization(t)
			}
		},
	}
}

// kindOfKeycloak goes by the payload's typ, which Keycloak writes into every
// token that it signs.
func kindOfKeycloak(p *Provider, t *Token) auth.TokenKind {
	switch {
	case t.purpose == purposeID:
		return auth.KindID
	case t.Has("typ") && purposeNamed(t.Word("typ")) != purposeAccess:
		return 0 // to verify an address, to register a client…
	}
	account := strings.HasPrefix(t.Word("preferred_username"), "service-account-")
	granted := t.Has("clientHost") || t.Has("clientAddress") // of the grant to a client alone, which may have a session
	byClient := t.Has("client_id") || t.Has("clientId")
	switch session := t.Word("sid") != "" || t.Word("session_state") != ""; {
	case granted, account && (byClient || !session), byClient && !session:
		return auth.KindMachine
	case account:
		return 0 // a user can choose such a name
	case !t.Has("sub"):
		return auth.KindOAuth // and refused for want of sub: a user's token may lack it too
	default:
		return kindOfOIDC(p, t)
	}
}

// keycloakOrganization returns the id and the alias of the one organization in
// the claim organization: an alias, a list of aliases, or an object of aliases
// with what is known of each. An alias is unique and never changes, and stands for
// an id that is not there.
func keycloakOrganization(t *Token) (id, alias string) {
	v := t.Get("organization")
	if members, ok := t.Object(v); ok {
		members = slices.DeleteFunc(members, func(m strictjson.Member) bool { return m.Value == "null" })
		if len(members) != 1 {
			return "", ""
		}
		alias = members[0].Name
		if known, ok := members[0].Value.Members(nil); ok {
			id, _ = claims.Object(known).Get("id").Text()
		}
	} else if aliases, ok := claims.ListOf(v, ""); ok && len(aliases) == 1 {
		alias = aliases[0]
	} else if v != "" && !ok {
		t.CannotRead("organization")
	}
	if id == "" {
		id = alias
	}
	return id, alias
}
