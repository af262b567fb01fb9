package provider

import (
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

// Supabase is Supabase Auth, which signs for roles of the database too.
func Supabase() Provider {
	return Provider{
		NamesSession: true,
		kindOf: func(p *Provider, t *Token) auth.TokenKind {
			role := t.Word("role")
			if t.purpose != purposeID && (role == "service_role" || role == "supabase_admin") { // of the database, and no user's
				return auth.KindMachine
			}
			return kindOfOIDC(p, t)
		},
		read: func(t *Token, id *Record) {
			if id.AuthTime.IsZero() {
				id.AuthTime = latestMethod(t, id.IssuedAt)
			}
		},
	}
}

// latestMethod returns when the user last proved who they are: amr lists each
// method of authentication with its time.
func latestMethod(t *Token, issued time.Time) (latest time.Time) {
	t.Get("amr").Elements(func(e strictjson.Value) bool {
		members, _ := e.Members(nil)
		t, ok := claims.DateOf(claims.Object(members).Get("timestamp"))
		if ok && t.After(latest) && (issued.IsZero() || !t.After(issued)) {
			latest = t
		}
		return true
	})
	return latest
}
