package provider

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
	"github.com/ostiary/ostiary/interceptors/token/internal/claims"
)

func TestClerkPermissions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fea, per, fpm string
		want          []string
	}{
		{
			"o:dashboard,o:teams", "manage,read", "3,2",
			[]string{"org:dashboard:manage", "org:dashboard:read", "org:teams:read"},
		},
		{
			"o:repositories,o:projects", "read,create,update,delete,revoke", "7,21",
			[]string{
				"org:repositories:read", "org:repositories:create", "org:repositories:update",
				"org:projects:read", "org:projects:update", "org:projects:revoke",
			},
		},
		{
			"o:repositories,o:projects,o:webhooks,o:impersonation", "read,manage", "1,2,3",
			[]string{"org:repositories:read", "org:projects:manage", "org:webhooks:read", "org:webhooks:manage"},
		},
		{
			"o:repositories,uo:projects,u:goldprofileborder", "read,create,update,delete,revoke", "7,21,0",
			[]string{
				"org:repositories:read", "org:repositories:create", "org:repositories:update",
				"org:projects:read", "org:projects:update", "org:projects:revoke",
			},
		},
		{"u:gold,o:billing", "read,manage", "0,3", []string{"org:billing:read", "org:billing:manage"}},
		{
			"o:repositories,o:impersonation,o:billing", "manage,read,update", "6,0,3",
			[]string{"org:repositories:read", "org:repositories:update", "org:billing:manage", "org:billing:read"},
		},
		{"o:a,o:b", "read,manage", "1x,3", []string{"org:b:read", "org:b:manage"}},
		{"o:a", "", "", nil},
		{"u:a", "read", "1", nil},
		{"o:a", "read", "1,1,1", []string{"org:a:read"}},
		// Bit 69 lies beyond a machine word.
		{"o:a", strings.Repeat("p,", 69) + "last", "590295810358705651712", []string{"org:a:last"}},
		{"o:a", "read", "-1", nil},
	} {
		if got := clerkPermissions(strings.FieldsFunc(tt.fea, func(r rune) bool { return r == ',' }), tt.per, tt.fpm); !slices.Equal(got, tt.want) {
			t.Errorf("fea %q per %q fpm %q:\n got %q\nwant %q", tt.fea, tt.per, tt.fpm, got, tt.want)
		}
	}
}

func TestKindOfClerk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		token   Token
		subject string
		want    auth.TokenKind
	}{
		{"a session", Token{Type: "JWT", Category: clerkSession}, "user_1", auth.KindSession},
		{"a token without cat", Token{Type: "JWT"}, "user_1", auth.KindSession},
		{"a token without typ", Token{Category: clerkSession}, "user_1", auth.KindSession},
		{"the class to ignore", Token{Type: "JWT", Category: clerkIgnore}, "user_1", auth.KindSession},
		{"a template", Token{Type: "JWT", Category: clerkTemplate}, "user_1", auth.KindTemplate},
		{"a machine", Token{Type: "JWT", Category: clerkMachine}, "mch_1", auth.KindMachine},
		{"a machine without cat", Token{Type: "JWT"}, "mch_1", auth.KindMachine},
		{"an OAuth access token", Token{Type: "at+jwt"}, "user_1", auth.KindOAuth},
		{"an OAuth access token in capitals", Token{Type: "AT+JWT"}, "user_1", auth.KindOAuth},
		{"a machine's class for a user", Token{Type: "JWT", Category: clerkMachine}, "user_1", 0},
		{"a session's class for a machine", Token{Type: "JWT", Category: clerkSession}, "mch_1", 0},
		{"an OAuth type for a machine", Token{Type: "at+jwt"}, "mch_1", 0},
		{"a class that is not known", Token{Type: "JWT", Category: "cl_X"}, "user_1", 0},
		{"a type that is not known", Token{Type: "logout+jwt"}, "user_1", 0},
	} {
		tt.token.Members = claims.Object{{Name: "sub", Value: strictjson.Value(`"` + tt.subject + `"`)}}
		clerk := Clerk()
		if got := clerk.Kind(&tt.token); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestClerkFactorAges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fva  strictjson.Value
		want *auth.FactorAges
	}{
		{"[9,-1]", &auth.FactorAges{First: 9 * time.Minute, Second: -1}},
		{"[0,0]", &auth.FactorAges{}},
		{"[-1,5]", &auth.FactorAges{First: -1, Second: 5 * time.Minute}},
		{"[-1,-1]", nil},
		{"", nil},
		{"null", nil},
		{"[]", nil},
		{"[1]", nil},
		{"[1,2,3]", nil},
		{"[1.5,2]", nil},
		{`["1","2"]`, nil},
		{"[-2,1]", nil},
		{"[99999999999999999999,1]", nil},
		{`{"0":1}`, nil},
	} {
		got, ok := clerkFactorAges(tt.fva)
		if ok != (tt.want != nil) || ok && got != *tt.want {
			t.Errorf("fva %s: %v, %v, want %v", tt.fva, got, ok, tt.want)
		}
	}
}
