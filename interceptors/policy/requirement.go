package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// A requirement is one part of a rule.
type requirement interface {
	// String says in words what is asked for.
	fmt.Stringer
	// reason is why a caller who does not meet it is refused.
	reason() auth.Reason
	// unmet returns nil when the caller meets it, and else what is missing.
	unmet(id *auth.Identity) error
	// possible reports whether any token of the issuer can meet it, and leaves the
	// kinds of token that can.
	possible(issuer *auth.IssuerCapabilities) bool
}

// demandOf returns what a new token would need to meet the requirement; nil where
// nothing that a client could ask for would do.
func demandOf(r requirement, id *auth.Identity) *auth.Demand {
	switch r := r.(type) {
	case allScopes:
		return &auth.Demand{Scopes: r}
	case reverification:
		return &auth.Demand{MaxAge: r.Within, ACRValues: r.acr, StepUp: !id.NoStepUp}
	default:
		return nil
	}
}

// scopes are what a caller without a token should ask for; nil where the rule names
// none.
func (r *rule) scopes() *auth.Demand {
	for _, requirement := range r.requirements {
		if scopes, ok := requirement.(allScopes); ok {
			return &auth.Demand{Scopes: scopes}
		}
	}
	return nil
}

type kinds []auth.TokenKind

func (kinds) reason() auth.Reason { return auth.KindNotAllowed }

func (k kinds) String() string {
	names := make([]string, len(k))
	for i, kind := range k {
		names[i] = kind.String()
	}
	return "a token of kind " + strings.Join(names, " or ")
}

func (k kinds) unmet(id *auth.Identity) error {
	if slices.Contains(k, id.Kind) {
		return nil
	}
	return fmt.Errorf("needs %v, not of kind %v", k, id.Kind)
}

type inOrganization struct{}

func (inOrganization) reason() auth.Reason { return auth.OrganizationRequired }

func (inOrganization) String() string { return "an organization that the caller acts in" }

func (r inOrganization) unmet(id *auth.Identity) error {
	if id.Organization.ID != "" {
		return nil
	}
	return fmt.Errorf("needs %v", r)
}

type anyRole []string

func (anyRole) reason() auth.Reason { return auth.RoleRequired }

func (r anyRole) String() string { return "the role " + ruleschema.Quoted(r, " or ") }

func (r anyRole) unmet(id *auth.Identity) error {
	if slices.ContainsFunc(r, id.HasRole) {
		return nil
	}
	return fmt.Errorf("needs %v", r)
}

type allPermissions []string

func (allPermissions) reason() auth.Reason { return auth.PermissionRequired }

func (r allPermissions) String() string { return "the permission " + ruleschema.Quoted(r, " and ") }

func (r allPermissions) unmet(id *auth.Identity) error {
	for _, permission := range r {
		if !id.HasPermission(permission) {
			return fmt.Errorf("needs the permission %q", permission)
		}
	}
	return nil
}

type allScopes []string

func (allScopes) reason() auth.Reason { return auth.ScopeRequired }

func (r allScopes) String() string { return "the scope " + ruleschema.Quoted(r, " and ") }

func (r allScopes) unmet(id *auth.Identity) error {
	for _, scope := range r {
		if !id.HasScope(scope) {
			return fmt.Errorf("needs the scope %q", scope)
		}
	}
	return nil
}

type anyFeature []string

func (anyFeature) reason() auth.Reason { return auth.FeatureRequired }

func (r anyFeature) String() string { return "the feature " + ruleschema.Quoted(r, " or ") }

func (r anyFeature) unmet(id *auth.Identity) error {
	if slices.ContainsFunc(r, id.HasFeature) {
		return nil
	}
	return fmt.Errorf("needs %v", r)
}

type anyPlan []string

func (anyPlan) reason() auth.Reason { return auth.FeatureRequired }

func (r anyPlan) String() string { return "the plan " + ruleschema.Quoted(r, " or ") }

func (r anyPlan) unmet(id *auth.Identity) error {
	if slices.ContainsFunc(r, id.HasPlan) {
		return nil
	}
	return fmt.Errorf("needs %v", r)
}

// A reverification asks for a verification that is fresh, for a class of one, or for
// both.
type reverification struct {
	auth.Reverification // zero where any age will do

	acr []string         // one of these; empty for any
	now func() time.Time // nil where it is only put into words
}

func (reverification) reason() auth.Reason { return auth.ReverificationRequired }

func (r reverification) String() string {
	return ruleschema.ReverificationInWords(r.Reverification, r.acr)
}

func (r reverification) unmet(id *auth.Identity) error {
	switch asksAge := r.Reverification != (auth.Reverification{}); {
	case asksAge && id.FactorAges == nil && id.AuthTime.IsZero():
		return errors.New("the token does not say when the caller was verified")
	case asksAge && !id.Fresh(r.Reverification, r.now()), len(r.acr) > 0 && !slices.Contains(r.acr, id.ACR):
		return fmt.Errorf("needs %v", r)
	default:
		return nil
	}
}

// A conditionRequirement is a condition that does not read the request: a
// requirement like any other.
type conditionRequirement struct {
	text string
	Condition
}

func (conditionRequirement) reason() auth.Reason { return auth.ConditionNotMet }

func (c conditionRequirement) String() string { return conditionInWords(c.text) }

func (c conditionRequirement) unmet(id *auth.Identity) error { return c.Evaluate(id, nil) }

func conditionInWords(text string) string { return "the condition " + text }
