package policy

import (
	"fmt"
	"strings"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// Access says in words who may call, for a table: anybody, a valid token, or a valid
// token and every requirement, the handler's too. Terms of streams follow if they are
// not the default. It reads the rule as it was declared.
func (e Entry) Access() string {
	access := DescribeRule(e.Rule)
	if e.Method != nil && !ruleschema.IsStream(e.Method) {
		return access
	}
	if terms, wrong := ruleschema.StreamTerms(e.Rule.GetStream()); len(wrong) == 0 {
		if stream := termsInWords(terms); stream != "" {
			access += "; " + stream
		}
	}
	return access
}

// DescribeRule says in words who may call by a rule, as it was declared. It leaves out
// the terms of streams; see [Entry.Access] for those.
func DescribeRule(r *policyv1.Rule) string {
	access := declaredAccess(r)
	if handler := strings.TrimSpace(r.GetHandlerRequires()); handler != "" {
		access += "; the handler also requires: " + handler
	}
	return access
}

func declaredAccess(r *policyv1.Rule) string {
	switch access := r.GetAccess().(type) {
	case *policyv1.Rule_Public:
		if access.Public.GetIgnoreInvalid() {
			return "anybody, whatever their token"
		}
		return "anybody"
	case *policyv1.Rule_Authenticated:
		return "a valid token"
	case *policyv1.Rule_Require:
		return "a valid token; " + strings.Join(requirements(access.Require), "; ")
	default:
		return "nobody"
	}
}

// requirements are the parts in words, in the order in which they are checked.
func requirements(r *policyv1.Require) []string {
	var all []string
	add := func(present bool, part fmt.Stringer) {
		if present {
			all = append(all, part.String())
		}
	}
	var accepted kinds
	for _, kind := range r.GetKinds() {
		accepted = append(accepted, ruleschema.TokenKind(kind))
	}
	add(len(accepted) > 0, accepted)
	add(r.GetOrganization(), inOrganization{})
	add(len(r.GetAnyRole()) > 0, anyRole(r.GetAnyRole()))
	add(len(r.GetAllPermissions()) > 0, allPermissions(r.GetAllPermissions()))
	add(len(r.GetAllScopes()) > 0, allScopes(r.GetAllScopes()))
	add(len(r.GetAnyFeature()) > 0, anyFeature(r.GetAnyFeature()))
	add(len(r.GetAnyPlan()) > 0, anyPlan(r.GetAnyPlan()))
	add(r.GetReverification() != nil, reverification{ruleschema.Reverification(r.GetReverification()), r.GetReverification().GetAnyAcr(), nil})
	add(r.GetCondition() != "", conditionRequirement{text: r.GetCondition()})
	return all
}

// termsInWords says how long streams live; "" for the default.
func termsInWords(terms auth.StreamTerms) string {
	var parts []string
	if terms.Lease != auth.LeaseRenewable {
		parts = append(parts, ruleschema.LeaseInWords(terms.Lease))
	}
	if terms.MaxLifetime != 0 && terms.MaxLifetime != auth.DefaultMaxLifetime {
		parts = append(parts, "lives for "+ruleschema.Short(terms.MaxLifetime)+" at most")
	}
	if len(parts) == 0 {
		return ""
	}
	return "the stream " + strings.Join(parts, " and ")
}
