package policy_test

import (
	"fmt"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
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
