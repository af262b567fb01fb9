package policy_test

import (
	"testing"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func TestAccessInWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule *policyv1.Rule
		want string
	}{
		{nil, "nobody"},
		{&policyv1.Rule{}, "nobody"},
		{public(), "anybody"},
		{&policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}}}, "anybody, whatever their token"},
		{authenticated(), "a valid token"},
		{require(&policyv1.Require{
			Condition:      "request.owner == identity.subject",
			Reverification: custom(5, policyv1.Reverification_LEVEL_FIRST),
			AnyPlan:        []string{"pro"},
			AnyFeature:     []string{"notes"},
			AllScopes:      []string{"email"},
			AllPermissions: []string{"a:b", "c:d"},
			AnyRole:        []string{"admin", "owner"},
			Organization:   true,
			Kinds:          []policyv1.Kind{policyv1.Kind_KIND_SESSION},
		}), `a valid token; a token of kind session; an organization that the caller acts in; the role "admin" or "owner"; ` +
			`the permission "a:b" and "c:d"; the scope "email"; the feature "notes"; the plan "pro"; ` +
			`a verification within 5 minutes, level first; the condition request.owner == identity.subject`},
	} {
		if got := (policy.Entry{Rule: tt.rule}).Access(); got != tt.want {
			t.Errorf("%q\nwant %q", got, tt.want)
		}
	}
}
