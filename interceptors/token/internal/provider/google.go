package provider

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Google has two spellings of iss.
func Google() Provider {
	return Provider{
		Extends:   auth.IssuerCapabilities{Kinds: []auth.TokenKind{auth.KindMachine, auth.KindID}},
		Spellings: []string{"https://accounts.google.com", "accounts.google.com"},
		kindOf: func(_ *Provider, t *Token) auth.TokenKind {
			if strings.HasSuffix(strings.ToLower(t.Word("email")), ".gserviceaccount.com") || isMachine(t) {
				return auth.KindMachine
			}
			return auth.KindID
		},
	}
}
