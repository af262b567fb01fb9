package policy

import policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"

// Public returns the rule that lets everybody call, with a valid token or none.
func Public() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}
}

// Authenticated returns the rule that requires a valid token and nothing more.
func Authenticated() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
}

// Require returns the rule that requires a valid token with all that is named:
//
//	policy.Override(export, policy.Require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}}))
func Require(parts *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: parts}}
}
