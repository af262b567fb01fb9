package token

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
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
		h       header
		subject string
		want    auth.TokenKind
	}{
		{"a session", header{typ: "JWT", category: clerkSession}, "user_1", auth.KindSession},
		{"a token without cat", header{typ: "JWT"}, "user_1", auth.KindSession},
		{"a token without typ", header{category: clerkSession}, "user_1", auth.KindSession},
		{"the class to ignore", header{typ: "JWT", category: clerkIgnore}, "user_1", auth.KindSession},
		{"a template", header{typ: "JWT", category: clerkTemplate}, "user_1", auth.KindTemplate},
		{"a machine", header{typ: "JWT", category: clerkMachine}, "mch_1", auth.KindMachine},
		{"a machine without cat", header{typ: "JWT"}, "mch_1", auth.KindMachine},
		{"an OAuth access token", header{typ: "at+jwt"}, "user_1", auth.KindOAuth},
		{"an OAuth access token by its full type", header{typ: "application/at+jwt"}, "user_1", auth.KindOAuth},
		{"an OAuth access token in capitals", header{typ: "AT+JWT"}, "user_1", auth.KindOAuth},
		{"a machine's class for a user", header{typ: "JWT", category: clerkMachine}, "user_1", 0},
		{"a session's class for a machine", header{typ: "JWT", category: clerkSession}, "mch_1", 0},
		{"an OAuth type for a machine", header{typ: "at+jwt"}, "mch_1", 0},
		{"a class that is not known", header{typ: "JWT", category: "cl_X"}, "user_1", 0},
		{"a type that is not known", header{typ: "logout+jwt"}, "user_1", 0},
	} {
		c := claims{members: object{{Name: "sub", Value: strictjson.Value(`"` + tt.subject + `"`)}}}
		profile := Clerk()
		if got := profile.kind(tt.h, &c); got != tt.want {
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

func TestClerkIssuer(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"pk_live_Y2xlcmsuZXhhbXBsZS5jb20k":                     "https://clerk.example.com",
		"pk_test_aGFwcHktaGlwcG8tMS5jbGVyay5hY2NvdW50cy5kZXYk": "https://happy-hippo-1.clerk.accounts.dev",
	} {
		if got, err := ClerkIssuer(key); err != nil || got != want {
			t.Errorf("ClerkIssuer(%q) = %q, %v; want %q", key, got, err, want)
		}
	}
	for name, key := range map[string]string{
		"nothing":                           "",
		"no dollar at the end":              "pk_live_Y2xlcmsuZXhhbXBsZS5jb20",
		"a dollar in the host":              "pk_test_YSRiJA==",
		"no host":                           "pk_live_",
		"a secret key":                      "sk_test_x",
		"another stage":                     "pk_dev_Y2xlcmsuZXhhbXBsZS5jb20k",
		"four parts":                        "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k_x",
		"not base64":                        "pk_live_!!!!",
		"a host of one label":               "pk_live_bG9jYWxob3N0JA==",
		"a path after the host":             "pk_live_YS5iL2Mk",
		"a label that begins with a hyphen": "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("-a.example.com$")),
		"a label that ends with a hyphen":   "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a-.example.com$")),
		"an empty label":                    "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a..com$")),
		"a port that is no number":          "pk_live_" + base64.RawStdEncoding.EncodeToString([]byte("a.example.com:x$")),
	} {
		if got, err := ClerkIssuer(key); err == nil {
			t.Errorf("%s: ClerkIssuer = %q, want an error", name, got)
		}
	}
}

func FuzzClerkIssuer(f *testing.F) {
	for _, seed := range []string{"", "pk_live_", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "pk_test_YSRiJA==", "sk_test_x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		issuer, err := ClerkIssuer(key)
		if err != nil {
			if issuer != "" {
				t.Fatalf("%q: both %q and %v", key, issuer, err)
			}
			return
		}
		if !strings.HasPrefix(issuer, "https://") || strings.ContainsAny(issuer[len("https://"):], "/@?#$ ") {
			t.Fatalf("%q gave %q", key, issuer)
		}
	})
}
