package revocation

import "fmt"

// A TargetKind says what a [Revocation] names. The zero value is invalid.
type TargetKind uint8

// The kinds of targets. Each belongs to one issuer: the same ID at another issuer
// names something else.
const (
	// TargetSession is one session, by the ID in its tokens.
	TargetSession TargetKind = iota + 1
	// TargetSubject is every token of a user or a machine, in every session, that was
	// issued before an instant.
	TargetSubject
	// TargetToken is one token, by its jti claim (RFC 7519, section 4.1.7).
	TargetToken
	// TargetClient is every token of an OAuth client, for any user, by the ID
	// of the client.
	TargetClient
	// TargetMachine is every token of a machine, by its subject.
	TargetMachine
	// TargetOrganization is every token that names an organization as the one in which
	// its subject acts (auth.Identity.Organization), by the ID of the organization, and
	// that was issued before an instant. Tokens of the same subjects that name another
	// organization or none are not revoked.
	TargetOrganization
	// TargetMember is those of them that are of one subject, as where it was removed
	// from the organization: its tokens name the organization until they expire.
	TargetMember
	// TargetIssuer is every token that the issuer issued before an instant.
	TargetIssuer
)

var kindNames = [...]string{"unknown", "session", "subject", "token", "client", "machine", "organization", "member", "issuer"}

const knownKinds = "session, subject, token, client, machine, organization, member or issuer"

// String returns the kind's name in settings and logs, such as session.
func (k TargetKind) String() string {
	if int(k) >= len(kindNames) {
		k = 0
	}
	return kindNames[k]
}

// goesOn reports whether what is revoked mostly continues with new tokens.
func (k TargetKind) goesOn() bool {
	return k == TargetSubject || k == TargetOrganization || k == TargetMember || k == TargetIssuer
}

// ParseTargetKind returns the kind with the given name, as String writes it.
func ParseTargetKind(name string) (TargetKind, error) {
	for i, known := range kindNames {
		if i > 0 && name == known {
			return TargetKind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown kind of revocation %q: use %s", name, knownKinds)
}
