package token

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Dex returns the profile of dex. Groups count as roles.
//
// The access tokens of dex are ID tokens by all that they say, and so the tokens
// of users are of kind id, which is accepted by default. Their audience is the
// client that the user signed in to: name your own in Audiences. A token that one
// client requested for another has azp, and is an OAuth client's that acts for
// the user, unless FirstPartyClients names it. A client's own token has a subject
// without a connector.
func Dex() Profile {
	p := OIDC()
	p.Name = "dex"
	p.Algorithms = []string{"RS256", "ES256", "ES384", "ES512"}
	p.Kinds = []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindID}
	p.Client = at("azp")
	p.AuthorizedParty = at("azp")
	p.Roles, p.Permissions, p.Scopes = nil, nil, nil
	p.kindOf = func(p *Profile, _ header, c *claims, _ purpose) auth.TokenKind {
		switch {
		case isDexClient(c.word("sub")) || isMachine(p, c):
			return auth.KindMachine
		case c.has("azp"):
			return auth.KindOAuth
		default:
			return auth.KindID
		}
	}
	return p
}

// isDexClient reports whether the subject is a client's. A subject of dex is the
// base64url of a protobuf message with two strings: 1, the user or the client;
// and 2, the connector, which only users have.
func isDexClient(subject string) bool {
	message, err := base64.RawURLEncoding.DecodeString(subject)
	if err != nil || len(message) == 0 || message[0] != 1<<3|2 {
		return false
	}
	length, n := binary.Uvarint(message[1:])
	if n <= 0 || length > uint64(len(message[1+n:])) {
		return false
	}
	connector := message[1+n:][length:]
	return len(connector) == 0 || bytes.Equal(connector, []byte{2<<3 | 2, 0})
}
