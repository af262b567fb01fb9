package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Unmeetable returns a fault for each rule that no caller can meet, where these are
// all the issuers whose tokens are accepted; nil if there is none. It goes by what an
// issuer's tokens can have at all, and by neither names nor conditions: which roles
// there are, and what claims say, only the issuer knows.
//
// token.Issuer says by Capabilities what an identity of its tokens can have.
func (p *Policy) Unmeetable(issuers []auth.IssuerCapabilities) RuleErrors {
	var faults RuleErrors
	for _, entry := range p.entries {
		if err := p.rules[entry.Procedure].unmeetable(issuers); err != nil {
			faults = append(faults, &RuleError{Procedure: entry.Procedure, Origin: entry.Origin, Err: err})
		}
	}
	return faults
}

// unmeetable returns what each of the issuers lacks; nil if one lacks nothing, as one
// token must meet the whole rule.
func (r *rule) unmeetable(issuers []auth.IssuerCapabilities) error {
	if len(issuers) == 0 {
		return nil
	}
	var all []string
	for _, issuer := range issuers {
		lacking := r.lacking(issuer)
		if lacking == nil {
			return nil
		}
		all = append(all, fmt.Sprintf("%s never gives %s", issuer.Issuer, strings.Join(lacking, " and never ")))
	}
	return fmt.Errorf("nobody can call it: %s; accept tokens that have it, name the claim in the issuer's settings, or change the rule", strings.Join(all, ", "))
}

// lacking returns what the rule asks for and no token of the issuer has; nil if there is
// nothing.
func (r *rule) lacking(issuer auth.IssuerCapabilities) []string {
	if len(issuer.Kinds) == 0 && !r.public {
		return []string{"a token of a kind that is accepted"}
	}
	var lacking []string
	for _, requirement := range r.requirements {
		left := issuer
		left.Kinds = slices.Clone(issuer.Kinds)
		if !requirement.possible(&left) {
			lacking = append(lacking, requirement.String())
			continue // what comes next is checked as if this were met
		}
		issuer = left
	}
	return lacking
}

// keep leaves the kinds of token that can meet a requirement too, and reports whether
// there are any.
func keep(issuer *auth.IssuerCapabilities, wanted func(auth.TokenKind) bool) bool {
	issuer.Kinds = slices.DeleteFunc(issuer.Kinds, func(k auth.TokenKind) bool { return !wanted(k) })
	return len(issuer.Kinds) > 0
}

func (k kinds) possible(issuer *auth.IssuerCapabilities) bool {
	return keep(issuer, func(kind auth.TokenKind) bool { return slices.Contains(k, kind) })
}

func (inOrganization) possible(issuer *auth.IssuerCapabilities) bool { return issuer.Organization }
func (anyRole) possible(issuer *auth.IssuerCapabilities) bool        { return issuer.Roles }
func (allPermissions) possible(issuer *auth.IssuerCapabilities) bool { return issuer.Permissions }
func (allScopes) possible(issuer *auth.IssuerCapabilities) bool      { return issuer.Scopes }
func (anyFeature) possible(issuer *auth.IssuerCapabilities) bool     { return issuer.Features }
func (anyPlan) possible(issuer *auth.IssuerCapabilities) bool        { return issuer.Plans }

func (reverification) possible(issuer *auth.IssuerCapabilities) bool {
	return issuer.Verification && keep(issuer, func(kind auth.TokenKind) bool { return kind != auth.KindMachine })
}

// possible is true of every condition: what claims say, only the issuer knows.
func (conditionRequirement) possible(*auth.IssuerCapabilities) bool { return true }
