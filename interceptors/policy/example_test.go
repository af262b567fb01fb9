package policy_test

import (
	"fmt"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

func ExampleNew() {
	rules, err := policy.New(policy.Services(identityv1.IdentityService_ServiceDesc.ServiceName))
	if err != nil {
		fmt.Println(err)
		return
	}
	anonymous := rules.Rule(identityv1.IdentityService_WhoAmI_FullMethodName).Check(nil)
	fmt.Println(anonymous)
	// Output: TOKEN_MISSING: send a bearer token in the Authorization header
}

// A handler that is no RPC takes its rule from Go.
func ExampleOverride() {
	rules, err := policy.New(policy.Override("/acme.invoice.v1.Files/Export", &policyv1.Rule{
		Access: &policyv1.Rule_Require{Require: &policyv1.Require{
			AllPermissions: []string{"org:invoices:export"},
			Reverification: &policyv1.Reverification{
				Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_MODERATE},
			},
		}},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := &auth.Identity{Permissions: []string{"org:invoices:export"}}
	fmt.Println(rules.Rule("/acme.invoice.v1.Files/Export").Check(ada))
	// Output: REVERIFICATION_REQUIRED: verify yourself again, then try again
}

func ExamplePolicy_Explain() {
	rules, err := policy.New(policy.Override("/acme.invoice.v1.Files/Export", &policyv1.Rule{
		Access: &policyv1.Rule_Require{Require: &policyv1.Require{
			AnyRole:   []string{"org:admin", "org:owner"},
			Condition: "identity.organization.slug == 'acme'",
		}},
	}), condition.Enable())
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := &auth.Identity{
		Organization: auth.Organization{ID: "org_1", Slug: "acme", Role: "org:member"},
		Roles:        []string{"org:member"},
	}
	explanation, _ := rules.Explain("/acme.invoice.v1.Files/Export", ada)
	for _, step := range explanation {
		fmt.Println(step.Outcome, step.Reason, step.Requirement)
	}
	fmt.Println("all in all:", explanation.Outcome())
	// Output:
	// met TOKEN_MISSING a valid token
	// unmet ROLE_REQUIRED the role "org:admin" or "org:owner"
	// met CONDITION_NOT_MET the condition identity.organization.slug == 'acme'
	// all in all: unmet
}
