package authtest_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestInOrganization(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com", authtest.WithNow(fixedNow))
	for _, test := range []struct {
		name          string
		before        []authtest.Edit
		permissions   []string
		fea, per, fpm any
		means         []string // the permissions, when not as written
	}{
		{
			name: "no permissions, no masks",
		},
		{
			name:        "features share the names of their permissions",
			permissions: []string{"dashboard:manage", "dashboard:read", "teams:read"},
			fea:         "o:dashboard,o:teams", per: "manage,read", fpm: "3,2",
		},
		{
			name:        "bits of a mask need not be neighbours",
			permissions: []string{"repos:read", "repos:create", "repos:update", "projects:read", "projects:update", "projects:revoke"},
			fea:         "o:repos,o:projects", per: "read,create,update,revoke", fpm: "7,13",
		},
		{
			name:        "features of the user and others of the organization stay",
			before:      []authtest.Edit{authtest.With("fea", "u:gold,o:export")},
			permissions: []string{"invoices:read"},
			fea:         "u:gold,o:export,o:invoices", per: "read", fpm: "0,0,1",
		},
		{
			name:        "the prefix may be written",
			permissions: []string{"org:invoices:read"},
			fea:         "o:invoices", per: "read", fpm: "1",
			means: []string{"invoices:read"},
		},
		{
			name:        "a permission that is named twice is one",
			permissions: []string{"invoices:read", "invoices:read"},
			fea:         "o:invoices", per: "read", fpm: "1",
			means: []string{"invoices:read"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			edits := slices.Concat(test.before, []authtest.Edit{
				authtest.InOrganization("org_acme", "acme", "org:admin", test.permissions...),
			})
			_, claims := decode(t, iss.Session("user_ada", edits...))
			organization := claims["o"].(map[string]any)
			hasMembers(t, "claims", claims, map[string]any{"fea": test.fea})
			hasMembers(t, "o", organization, map[string]any{
				"id": "org_acme", "slg": "acme", "rol": "admin", "per": test.per, "fpm": test.fpm,
			})
			want := test.means
			if want == nil {
				want = test.permissions
			}
			if got := readMasks(claims["fea"], organization["per"], organization["fpm"]); !slices.Equal(got, want) {
				t.Errorf("the masks mean %q, want %q", got, want)
			}
		})
	}
}

func TestMasksGrowBeyondSixtyFourBits(t *testing.T) {
	t.Parallel()
	permissions := make([]string, 100)
	for i := range permissions {
		permissions[i] = fmt.Sprintf("everything:p%d", i)
	}
	iss := authtest.New("https://clerk.example.com")
	_, claims := decode(t, iss.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", permissions...)))
	organization := claims["o"].(map[string]any)
	if got := readMasks(claims["fea"], organization["per"], organization["fpm"]); !slices.Equal(got, permissions) {
		t.Errorf("the masks mean %q", got)
	}
}

func TestInOrganizationOfVersion1(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com")
	_, claims := decode(t, iss.SessionV1("user_ada",
		authtest.InOrganization("org_acme", "acme", "admin", "invoices:read", "org:invoices:delete")))
	hasMembers(t, "claims", claims, map[string]any{
		"org_id": "org_acme", "org_slug": "acme", "org_role": "org:admin", "o": nil, "fea": nil,
		"org_permissions": []any{"org:invoices:read", "org:invoices:delete"},
	})
}

// readMasks is the reader's side, written from Clerk's description.
func readMasks(fea, per, fpm any) []string {
	if fea == nil {
		return nil
	}
	var permissions []string
	names, masks := strings.Split(per.(string), ","), strings.Split(fpm.(string), ",")
	for i, feature := range strings.Split(fea.(string), ",") {
		scope, name, _ := strings.Cut(feature, ":")
		mask, ok := new(big.Int).SetString(masks[i], 10)
		if scope != "o" || !ok {
			continue
		}
		for j := range names {
			if mask.Bit(j) == 1 {
				permissions = append(permissions, name+":"+names[j])
			}
		}
	}
	return permissions
}
