package token

import (
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// Supabase returns the profile of Supabase Auth. The issuer's URL ends in
// /auth/v1; the audience of a user is authenticated. What a user can write
// (user_metadata) is never read.
func Supabase() Profile {
	p := standard("supabase")
	p.Algorithms = []string{"ES256", "RS256"}
	p.Session = at("session_id")
	p.namesSession = true
	p.OrganizationID = at("app_metadata", "org_id")
	p.Roles = at("role")
	p.Permissions = at("app_metadata", "permissions")
	p.Scopes = nil
	p.kindOf = func(p *Profile, h header, c *claims, is purpose) auth.TokenKind {
		role := c.word("role")
		if is != purposeID && (role == "service_role" || role == "supabase_admin") { // of the database, and no user's
			return auth.KindMachine
		}
		return kindOfOIDC(p, h, c, is)
	}
	p.extend = func(_ *Profile, c *claims, id *record) {
		if id.AuthTime.IsZero() {
			id.AuthTime = latestMethod(c, id.IssuedAt)
		}
	}
	return p
}

// latestMethod returns when the user last proved who they are: amr lists each
// method of authentication with its time.
func latestMethod(c *claims, issued time.Time) (latest time.Time) {
	c.get("amr").Elements(func(e strictjson.Value) bool {
		members, _ := e.Members(nil)
		t, ok := dateOf(object(members).get("timestamp"))
		if ok && t.After(latest) && (issued.IsZero() || !t.After(issued)) {
			latest = t
		}
		return true
	})
	return latest
}
