package provider

import (
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Cognito is an Amazon Cognito user pool.
func Cognito() Provider {
	return Provider{
		NamesSession: true,
		kindOf: func(p *Provider, t *Token) auth.TokenKind {
			if purposeNamed(t.Word("token_use")) == purposeUnstated {
				return 0 // Cognito writes it into every token
			}
			return kindOfOIDC(p, t)
		},
	}
}

// Hydra is Ory Hydra.
func Hydra() Provider { return Provider{accessNamesClient: true} }

// Okta is an authorization server of Okta.
func Okta() Provider {
	return Provider{
		accessNamesClient: true,
		kindOf: func(p *Provider, t *Token) auth.TokenKind {
			switch {
			case t.purpose != purposeAccess && strings.HasPrefix(t.Word("jti"), "ID."):
				return auth.KindID
			case t.purpose != purposeID && t.Has("cid") && !t.Has("uid"):
				return auth.KindMachine
			default:
				return kindOfOIDC(p, t)
			}
		},
	}
}

// WorkOS is WorkOS AuthKit.
func WorkOS() Provider {
	return Provider{
		NamesSession: true,
		kindOf: func(p *Provider, t *Token) auth.TokenKind {
			if t.purpose != purposeID && strings.HasPrefix(t.Word("sub"), "client_") {
				return auth.KindMachine
			}
			return kindOfOIDC(p, t)
		},
	}
}
