package provider

import "strings"

// A purpose is what an issuer says that it signed a token for. The classes are
// exclusive (RFC 8725, section 3.12): a token for one purpose is no credential
// for another.
type purpose uint8

const (
	purposeUnstated purpose = iota
	purposeAccess
	purposeID
	purposeOther // to refresh, to sign somebody out, to report an event: no credential
)

// purposeOf reads the marks of a token's purpose. Marks that contradict each
// other make it no credential.
func purposeOf(t *Token) purpose {
	if t.Has("events") { // RFC 8417, section 2.2; logout tokens have it too
		t.Mark = "claim events"
		return purposeOther
	}
	found := purposeUnstated
	if t.isType("at+jwt") {
		found = purposeAccess
	}
	for _, claim := range [...]string{"typ", "type", "token_use", "token_type", "tokenType", "purpose"} {
		stated := purposeNamed(t.Word(claim))
		switch {
		case stated == purposeUnstated:
		case stated == purposeOther, found != purposeUnstated && found != stated:
			t.Mark = "claim " + claim
			return purposeOther
		default:
			found = stated
		}
	}
	if found != purposeUnstated {
		return found
	}
	for _, claim := range [...]string{"at_hash", "c_hash", "s_hash"} { // OpenID Connect Core 1.0, sections 2 and 3.3.2.11; FAPI 1.0
		if t.Has(claim) {
			return purposeID
		}
	}
	if t.Has("nonce") && (!t.Has("azp") || !t.Has("uid")) { // authentik repeats it in access tokens, which alone have both
		return purposeID
	}
	return purposeUnstated
}

// isType reports whether the header's typ names the media type, whatever the case.
func (t *Token) isType(name string) bool { return strings.EqualFold(t.Type, name) }

// purposeNamed returns the purpose for which a class of tokens is known by this
// name, such as ID, id_token or refresh-token.
func purposeNamed(name string) purpose {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(name, "token"), "_")
	switch strings.TrimSuffix(name, "-") {
	case "id":
		return purposeID
	case "bearer", "access", "at+jwt", "dpop":
		return purposeAccess
	case "refresh", "offline", "logout":
		return purposeOther
	default:
		return purposeUnstated
	}
}
