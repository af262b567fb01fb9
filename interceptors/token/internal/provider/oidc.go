package provider

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// kindOfOIDC returns the kind of a token from an issuer that follows OpenID Connect
// and RFC 9068. A user's token that names an OAuth client, or has the type of an
// access token, belongs to that client, which acts for the user. It is a session only
// for the clients in Issuer.FirstPartyClients.
func kindOfOIDC(p *Provider, t *Token) auth.TokenKind {
	switch {
	case t.purpose == purposeID || p.accessNamesClient && t.purpose == purposeUnstated && isOfClient(t):
		return auth.KindID
	case isMachine(t):
		return auth.KindMachine
	case t.isType("at+jwt") || t.Client != "":
		return auth.KindOAuth
	default:
		return auth.KindSession
	}
}

// isOfClient reports whether a token that names neither a client nor a scope speaks
// of a user who signed in, as an ID token does to its client.
func isOfClient(t *Token) bool {
	return t.Client == "" && !t.Has("scope") && !t.Has("scp") && (hasUser(t) || t.Has("name"))
}

// isMachine reports whether a client or a workload acts for itself: the token says
// so, or the subject is the client (RFC 9068, section 2.2) or one of the audience,
// which no user is, or there is a client and no sign of a user, or the subject has
// the form of a workload's.
func isMachine(t *Token) bool {
	if isClientGrant(t) || isWorkload(t) {
		return true
	}
	subject, client := t.Word("sub"), t.Client
	if subject == "" {
		return !t.Has("sub") && client != "" && !hasUser(t)
	}
	for _, claim := range [...]string{"client_id", "azp", "cid", "appid"} {
		if subject == t.Word(claim) {
			return true
		}
	}
	return subject == client || subject == t.AuthorizedParty || hasAudience(t, subject) ||
		client != "" && (subject == client+"@clients" || t.Word("preferred_username") == "service-account-"+client)
}

// isClientGrant reports whether the token says that it was given to a client for
// itself (RFC 6749, section 4.4): gty of Auth0 and FusionAuth, grant_type of
// UAA, idtyp of Entra ID.
func isClientGrant(t *Token) bool {
	for _, claim := range [...]string{"gty", "grant_type"} {
		grants, _ := claims.ListOf(t.Get(claim), "")
		if slices.Contains(grants, "client_credentials") || slices.Contains(grants, "client-credentials") {
			return true
		}
	}
	return t.Word("idtyp") == "app"
}

// hasAudience reports whether aud names the party.
func hasAudience(t *Token, party string) bool {
	list, _ := claims.ListOf(t.Get("aud"), "")
	return slices.Contains(list, party)
}

// hasUser reports whether there is a sign that a user signed in.
func hasUser(t *Token) bool {
	for _, claim := range [...]string{"sid", "session_state", "auth_time", "amr", "preferred_username", "username", "email"} {
		if t.Has(claim) {
			return true
		}
	}
	return false
}

// isWorkload knows the subjects and claims that platforms give their workloads: a
// Kubernetes service account, a SPIFFE ID, a job of GitHub Actions or of GitLab.
func isWorkload(t *Token) bool {
	subject := t.Word("sub")
	switch {
	case strings.HasPrefix(subject, "system:serviceaccount:"), strings.HasPrefix(subject, SPIFFEScheme),
		t.Has("kubernetes.io"), t.Has("job_workflow_ref"):
		return true
	case strings.HasPrefix(subject, "repo:"):
		return t.Has("repository")
	case strings.HasPrefix(subject, "project_path:"):
		return t.Has("job_id") || t.Has("pipeline_id")
	default:
		return false
	}
}
