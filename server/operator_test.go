package server

import (
	"reflect"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

func TestWhoIsAnOperator(t *testing.T) {
	t.Parallel()
	const one, two = "https://one.example.com", "https://two.example.com"
	both := Config{
		Issuers:            []Issuer{{URL: one}, {URL: two}},
		OperatorSubjects:   []string{one + "#user_1"},
		OperatorPermission: "org:tokens:revoke",
	}.operators()
	nobody := Config{Issuers: []Issuer{{URL: one}}}.operators()
	own := func(id *auth.Identity) store.View { return store.View{{Issuer: id.Issuer, Subject: id.Subject}} }
	for name, test := range map[string]struct {
		operators operators
		id        auth.Identity
		want      func(*auth.Identity) store.View
	}{
		"a subject that is named":    {both, auth.Identity{Issuer: one, Subject: "user_1"}, func(*auth.Identity) store.View { return store.Everything() }},
		"the same at another issuer": {both, auth.Identity{Issuer: two, Subject: "user_1"}, own},
		"another subject":            {both, auth.Identity{Issuer: one, Subject: "user_10"}, own},
		"the bearer of the permission": {
			both, auth.Identity{Issuer: two, Subject: "user_2", Permissions: []string{"org:tokens:revoke"}},
			func(*auth.Identity) store.View { return store.Everything() },
		},
		"the bearer of a longer permission": {both, auth.Identity{Issuer: one, Subject: "user_2", Permissions: []string{"org:tokens:revoke:own"}}, own},
		"nobody, where none is named":       {nobody, auth.Identity{Issuer: one, Subject: "user_1", Permissions: []string{""}}, own},
		"an administrator of an organization": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1", Role: "org:admin"}},
			func(id *auth.Identity) store.View {
				return append(own(id), store.Filter{Issuer: one, Organization: "org_1"})
			},
		},
		"a member of an organization": {nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1", Role: "org:member"}}, own},
		"an administrator of no organization in particular": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{Role: "org:admin"}, Roles: []string{"org:admin"}}, own,
		},
		"a role by that name that is none in the organization": {
			nobody, auth.Identity{Issuer: one, Subject: "user_1", Organization: auth.Organization{ID: "org_1"}, Roles: []string{"admin"}}, own,
		},
	} {
		if got, want := test.operators.view(&test.id), test.want(&test.id); !reflect.DeepEqual(got, want) {
			t.Errorf("%s sees %+v; want %+v", name, got, want)
		}
	}
}
