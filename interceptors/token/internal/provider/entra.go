package provider

import (
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// Entra is Microsoft Entra ID.
func Entra() Provider {
	return Provider{accessNamesClient: true, kindOf: kindOfEntra}
}

// kindOfEntra goes by idtyp, by scp, and by whether the subject is the application's oid.
func kindOfEntra(p *Provider, t *Token) auth.TokenKind {
	scopes, _ := claims.ListOf(t.Get("scp"), "") // only access tokens for users have any
	switch idtyp := t.Word("idtyp"); {
	case idtyp == "app":
		return auth.KindMachine
	case idtyp != "" && idtyp != "user":
		return 0 // a device's
	case len(scopes) > 0:
		t.purpose = purposeAccess
	case t.purpose != purposeID && t.Client != "" && !t.Has("sub"):
		return auth.KindMachine
	case t.purpose != purposeID && t.Has("oid") && t.Word("oid") == t.Word("sub"):
		return auth.KindMachine
	}
	return kindOfOIDC(p, t)
}
