package token

import (
	"github.com/ostiary/ostiary/interceptors/auth"
)

// Entra returns the profile of Microsoft Entra ID, for tokens of version 2 and of
// version 1 (issuer https://sts.windows.net/{tenant}/), and of AD FS. The user is
// named by oid, which is the same for every application of the tenant. Groups
// count as roles; up to 200 of them make tokens of 12 KB, and so MaxTokenBytes is
// 16 KiB.
//
// An application's own token is one whose subject is its oid, or that has none,
// and that has no scp; or one whose idtyp is app. Every access token of a user is
// that of an application: name your own in FirstPartyClients.
func Entra() Profile {
	p := standard("entra")
	p.MaxTokenBytes = 16 << 10
	p.Subject = at("oid")
	p.Client = []ClaimPath{{"azp"}, {"appid"}}
	p.AuthorizedParty = []ClaimPath{{"azp"}, {"appid"}}
	p.OrganizationID = at("tid")
	p.Groups = at("groups")
	p.Permissions = nil
	p.Scopes = at("scp")
	p.accessNamesClient = true
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		scopes, _ := listOf(c.get("scp"), "") // only access tokens for users have any
		switch idtyp := c.word("idtyp"); {
		case idtyp == "app":
			return auth.KindMachine
		case idtyp != "" && idtyp != "user":
			return 0 // a device's
		case len(scopes) > 0:
			is = purposeAccess
		case is != purposeID && p.clientOf(c) != "" && !c.has("sub"):
			return auth.KindMachine
		case is != purposeID && c.has("oid") && c.word("oid") == c.word("sub"):
			return auth.KindMachine
		}
		return kindOfOIDC(p, h, c, is)
	}
	return p
}
