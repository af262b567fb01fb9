package token

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

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
func purposeOf(h header, c *claims) purpose {
	if c.has("events") { // RFC 8417, section 2.2; logout tokens have it too
		c.mark = "claim events"
		return purposeOther
	}
	found := purposeUnstated
	if h.isType("at+jwt") {
		found = purposeAccess
	}
	for _, claim := range [...]string{"typ", "type", "token_use", "token_type", "tokenType", "purpose"} {
		stated := purposeNamed(c.word(claim))
		switch {
		case stated == purposeUnstated:
		case stated == purposeOther, found != purposeUnstated && found != stated:
			c.mark = "claim " + claim
			return purposeOther
		default:
			found = stated
		}
	}
	if found != purposeUnstated {
		return found
	}
	for _, claim := range [...]string{"at_hash", "c_hash", "s_hash"} { // OpenID Connect Core 1.0, sections 2 and 3.3.2.11; FAPI 1.0
		if c.has(claim) {
			return purposeID
		}
	}
	if c.has("nonce") && (!c.has("azp") || !c.has("uid")) { // authentik repeats it in access tokens, which alone have both
		return purposeID
	}
	return purposeUnstated
}

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

// kind returns the kind of a token, zero when it is none that is ever accepted.
func (p *Profile) kind(h header, c *claims) auth.TokenKind {
	if !p.acceptsType(h) {
		c.mark = "header member typ"
		return 0
	}
	is := purposeOf(h, c)
	switch {
	case is == purposeOther:
		return 0
	case p.kindOf != nil:
		return p.kindOf(p, h, c, is)
	default:
		return kindOfOIDC(p, h, c, is)
	}
}

// acceptsType reports whether the header's typ is that of a credential.
func (p *Profile) acceptsType(h header) bool {
	return h.typ == "" || h.isType("jwt") || h.isType("at+jwt") || p.allowJOSE && h.isType("jose")
}

// kindOfOIDC returns the kind of a token from an issuer that follows OpenID Connect
// and RFC 9068. A user's token that names an OAuth client, or has the type of an
// access token, belongs to that client, which acts for the user. It is a session only
// for the clients in Issuer.FirstPartyClients.
func kindOfOIDC(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
	switch {
	case is == purposeID || p.accessNamesClient && is == purposeUnstated && isOfClient(p, c):
		return auth.KindID
	case isMachine(p, c):
		return auth.KindMachine
	case h.isType("at+jwt") || p.clientOf(c) != "":
		return auth.KindOAuth
	default:
		return auth.KindSession
	}
}

// isOfClient reports whether a token that names neither a client nor a scope speaks
// of a user who signed in, as an ID token does to its client.
func isOfClient(p *Profile, c *claims) bool {
	return p.clientOf(c) == "" && !c.has("scope") && !c.has("scp") && (hasUser(c) || c.has("name"))
}

// isMachine reports whether a client or a workload acts for itself: the token says
// so, or the subject is the client (RFC 9068, section 2.2) or one of the audience,
// which no user is, or there is a client and no sign of a user, or the subject has
// the form of a workload's.
func isMachine(p *Profile, c *claims) bool {
	if isClientGrant(c) || isWorkload(c) {
		return true
	}
	subject, client := c.word("sub"), p.clientOf(c)
	if subject == "" {
		return !c.has("sub") && client != "" && !hasUser(c)
	}
	for _, claim := range [...]string{"client_id", "azp", "cid", "appid"} {
		if subject == c.word(claim) {
			return true
		}
	}
	return subject == client || subject == c.firstWord(p.AuthorizedParty) || hasAudience(c, subject) ||
		client != "" && (subject == client+"@clients" || c.word("preferred_username") == "service-account-"+client)
}

// isClientGrant reports whether the token says that it was given to a client for
// itself (RFC 6749, section 4.4): gty of Auth0 and FusionAuth, grant_type of
// UAA, idtyp of Entra ID.
func isClientGrant(c *claims) bool {
	for _, claim := range [...]string{"gty", "grant_type"} {
		grants, _ := listOf(c.get(claim), "")
		if slices.Contains(grants, "client_credentials") || slices.Contains(grants, "client-credentials") {
			return true
		}
	}
	return c.word("idtyp") == "app"
}

// hasAudience reports whether aud names the party.
func hasAudience(c *claims, party string) bool {
	list, _ := listOf(c.get("aud"), "")
	return slices.Contains(list, party)
}

// hasUser reports whether there is a sign that a user signed in.
func hasUser(c *claims) bool {
	for _, claim := range [...]string{"sid", "session_state", "auth_time", "amr", "preferred_username", "username", "email"} {
		if c.has(claim) {
			return true
		}
	}
	return false
}

// isWorkload knows the subjects and claims that platforms give their workloads: a
// Kubernetes service account, a SPIFFE ID, a job of GitHub Actions or of GitLab.
func isWorkload(c *claims) bool {
	subject := c.word("sub")
	switch {
	case strings.HasPrefix(subject, "system:serviceaccount:"), strings.HasPrefix(subject, spiffeScheme),
		c.has("kubernetes.io"), c.has("job_workflow_ref"):
		return true
	case strings.HasPrefix(subject, "repo:"):
		return c.has("repository")
	case strings.HasPrefix(subject, "project_path:"):
		return c.has("job_id") || c.has("pipeline_id")
	default:
		return false
	}
}

// clientOf returns the OAuth client that the token names, "" when it names none.
func (p *Profile) clientOf(c *claims) string {
	if client := c.firstWord(p.Client); client != "" {
		return client
	}
	return c.firstWord(p.AuthorizedParty)
}
