package revocation

import "fmt"

// A Kind says what a [Revocation] names. The zero value names nothing and is
// refused.
type Kind uint8

// The kinds. Each is scoped by the issuer: the same id at another issuer is
// somebody else's.
const (
	// Session is one session, by the id in its tokens.
	Session Kind = iota + 1
	// Subject is every token of a user or a machine that was issued before an
	// instant, whatever its session.
	Subject
	// Token is one token, by its jti claim (RFC 7519, section 4.1.7).
	Token
	// Client is every token of a machine, by its subject, or of an OAuth client,
	// by its client id.
	Client
	// Issuer is everything that the issuer has issued before an instant.
	Issuer
)

var kindNames = [...]string{"unknown", "session", "subject", "token", "client", "issuer"}

// String returns the kind's name in settings and logs, such as session.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		k = 0
	}
	return kindNames[k]
}

// ParseKind returns the kind with the given name, as String writes it.
func ParseKind(name string) (Kind, error) {
	for i, known := range kindNames {
		if i > 0 && name == known {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown kind of revocation %q: use session, subject, token, client or issuer", name)
}
