package policy

import (
	"fmt"
	"strings"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// Access says in words who may call, for a table: anybody, a valid token, or a
// valid token and all that is required beside it, by the handler too. What is not
// as usual about the life of a method's streams follows. It reads the rule as it
// was declared.
func (e Entry) Access() string {
	access := inWords(e.Rule)
	if e.Method != nil && !isStream(e.Method) {
		return access
	}
	if terms, wrong := compileStream(e.Rule.GetStream()); len(wrong) == 0 {
		if stream := termsInWords(terms); stream != "" {
			access += "; " + stream
		}
	}
	return access
}

func inWords(r *policyv1.Rule) string {
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
		accepted = append(accepted, kindOf(kind))
	}
	add(len(accepted) > 0, accepted)
	add(r.GetOrganization(), inOrganization{})
	add(len(r.GetAnyRole()) > 0, anyRole(r.GetAnyRole()))
	add(len(r.GetAllPermissions()) > 0, allPermissions(r.GetAllPermissions()))
	add(len(r.GetAllScopes()) > 0, allScopes(r.GetAllScopes()))
	add(len(r.GetAnyFeature()) > 0, anyFeature(r.GetAnyFeature()))
	add(len(r.GetAnyPlan()) > 0, anyPlan(r.GetAnyPlan()))
	add(r.GetReverification() != nil, reverification(freshness(r.GetReverification())))
	add(r.GetCondition() != "", &condition{text: r.GetCondition()})
	return all
}
