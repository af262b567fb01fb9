package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Dex makes access tokens that are ID tokens by all that they say.
func Dex() Provider {
	return Provider{kindOf: func(_ *Provider, t *Token) auth.TokenKind {
		switch {
		case isDexClient(t.Word("sub")) || isMachine(t):
			return auth.KindMachine
		case t.Has("azp"):
			return auth.KindOAuth
		default:
			return auth.KindID
		}
	}}
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
