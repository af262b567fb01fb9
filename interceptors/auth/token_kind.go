package auth

import "fmt"

// A TokenKind is the class of a token: what it stands for, and so how long it lives
// and what can end it. The zero value is no kind at all and is never accepted.
type TokenKind uint8

// The kinds.
const (
	KindSession  TokenKind = iota + 1 // a user's session; ends when the session does
	KindTemplate                      // a user's token made from a template, with no session behind it
	KindOAuth                         // an access token of an OAuth 2.0 client that acts for a user (RFC 9068)
	KindMachine                       // a machine's token: a client or a workload that acts for itself
	KindID                            // an ID token (OpenID Connect Core 1.0, section 2), which says who signed in, to its client
)

var kindNames = [...]string{"unknown", "session", "template", "oauth", "machine", "id"}

// String returns the kind's name in settings and logs, such as session.
func (k TokenKind) String() string {
	if int(k) >= len(kindNames) {
		k = 0
	}
	return kindNames[k]
}

// ParseTokenKind returns the kind with the given name.
func ParseTokenKind(name string) (TokenKind, error) {
	for i, known := range kindNames {
		if i > 0 && name == known {
			return TokenKind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown kind of token %q: use session, template, oauth, machine or id", name)
}
