package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// compile returns the rule, or everything that is wrong with it. The method is
// nil for a procedure without a schema.
func compile(r *policyv1.Rule, method protoreflect.MethodDescriptor, evaluator Evaluator, now func() time.Time) (compiledRule, []error) {
	if r == nil {
		return nil, []error{ErrNoRule}
	}
	if !ruleschema.Known(r.ProtoReflect()) {
		return nil, []error{errors.New("the rule has a part that this version does not know: update the server, so that nothing is left unenforced")}
	}
	stream, problems := ruleschema.StreamTerms(r.GetStream())
	handler, err := handlerRequires(r)
	if err != nil {
		problems = append(problems, err)
	}
	switch access := r.GetAccess().(type) {
	case *policyv1.Rule_Public:
		return &rule{public: true, ignoreInvalid: access.Public.GetIgnoreInvalid(), stream: stream}, problems
	case *policyv1.Rule_Authenticated:
		return &rule{stream: stream, handler: handler}, problems
	case *policyv1.Rule_Require:
		c := requireCompiler{evaluator: evaluator, now: now, method: method, rule: rule{stream: stream, handler: handler}, problems: problems}
		return c.compile(access.Require), c.problems
	default:
		return nil, append(problems, errors.New("the rule is empty: set one of public, authenticated or require"))
	}
}

// handlerRequires returns what the handler asks of callers, without spaces around
// it; "" for nothing.
func handlerRequires(r *policyv1.Rule) (string, error) {
	asked := strings.TrimSpace(r.GetHandlerRequires())
	switch {
	case r.GetHandlerRequires() == "":
		return "", nil
	case asked == "":
		return "", errors.New("handler_requires: it is blank: say what the handler asks of the caller, or leave it out")
	case r.GetPublic() != nil:
		return "", errors.New("handler_requires: anybody may call a public method, and nothing is asked of them: use authenticated or require, or leave it out")
	default:
		return asked, nil
	}
}

// A requireCompiler compiles one message Require.
type requireCompiler struct {
	evaluator Evaluator        // nil for none
	now       func() time.Time // for ages
	method    protoreflect.MethodDescriptor

	rule     rule
	message  Condition // the one on the request
	problems []error
}

// compile goes through the parts in the order in which they are checked, which
// policy.proto documents.
func (c *requireCompiler) compile(r *policyv1.Require) compiledRule {
	c.kinds(r.GetKinds())
	if r.GetOrganization() {
		c.add(inOrganization{})
	}
	if names := c.names("any_role", r.GetAnyRole(), ruleschema.CheckRole); len(names) > 0 {
		c.add(anyRole(names))
	}
	if names := c.names("all_permissions", r.GetAllPermissions(), ruleschema.CheckPermission); len(names) > 0 {
		c.add(allPermissions(names))
	}
	if names := c.names("all_scopes", r.GetAllScopes(), ruleschema.CheckScope); len(names) > 0 {
		c.add(allScopes(names))
	}
	if names := c.names("any_feature", r.GetAnyFeature(), ruleschema.CheckFeature); len(names) > 0 {
		c.add(anyFeature(names))
	}
	if names := c.names("any_plan", r.GetAnyPlan(), ruleschema.CheckFeature); len(names) > 0 {
		c.add(anyPlan(names))
	}
	if r.GetReverification() != nil {
		c.reverification(r)
	}
	if r.GetCondition() != "" {
		c.condition(r.GetCondition())
	}
	if len(c.rule.requirements) == 0 && c.message == nil && len(c.problems) == 0 {
		c.problem("require names nothing: name a part, or use authenticated")
	}
	if c.message != nil {
		return &messageRule{rule: &c.rule, condition: c.message, text: r.GetCondition(), request: c.method.Input().FullName()}
	}
	return &c.rule
}

func (c *requireCompiler) add(r requirement) { c.rule.requirements = append(c.rule.requirements, r) }

func (c *requireCompiler) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

// names returns the names, and adds a problem for each that nobody can have.
func (c *requireCompiler) names(part string, names []string, check func(string) error) []string {
	for _, name := range names {
		if err := check(name); err != nil {
			c.problem("%s: %q %w", part, name, err)
		}
	}
	return names
}

func (c *requireCompiler) kinds(declared []policyv1.TokenKind) {
	var wanted kinds
	for _, kind := range declared {
		if known := ruleschema.TokenKind(kind); known != 0 {
			wanted = append(wanted, known)
			continue
		}
		c.problem("kinds: %v is no kind of token: use TOKEN_KIND_SESSION, TOKEN_KIND_TEMPLATE, TOKEN_KIND_OAUTH, TOKEN_KIND_MACHINE or TOKEN_KIND_ID", kind)
	}
	if len(wanted) > 0 {
		c.add(wanted)
	}
}

func (c *requireCompiler) reverification(r *policyv1.Require) {
	if k := r.GetKinds(); len(k) > 0 && !slices.ContainsFunc(k, func(k policyv1.TokenKind) bool { return k != policyv1.TokenKind_TOKEN_KIND_MACHINE }) {
		c.problem("reverification: a machine, the only kind that is allowed, is never verified: remove one of the two")
	}
	switch freshness := r.GetReverification().GetFreshness().(type) {
	case *policyv1.Reverification_Preset_:
		c.verified(r, c.preset(freshness.Preset))
	case *policyv1.Reverification_Custom_:
		c.verified(r, c.custom(freshness.Custom))
	default:
		if len(r.GetReverification().GetAnyAcr()) == 0 {
			c.problem("reverification: it is empty: set preset, custom or any_acr")
		}
		c.verified(r, auth.Reverification{})
	}
}

func (c *requireCompiler) verified(r *policyv1.Require, age auth.Reverification) {
	acr := c.names("reverification.any_acr", r.GetReverification().GetAnyAcr(), ruleschema.CheckACR)
	c.add(reverification{age, acr, c.now})
}

func (c *requireCompiler) preset(preset policyv1.Reverification_Preset) auth.Reverification {
	wanted := ruleschema.Preset(preset)
	if wanted == (auth.Reverification{}) {
		c.problem("reverification: %v is no preset: use PRESET_STRICT_MFA, PRESET_STRICT, PRESET_MODERATE or PRESET_LAX", preset)
	}
	return wanted
}

func (c *requireCompiler) custom(custom *policyv1.Reverification_Custom) auth.Reverification {
	wanted := ruleschema.Custom(custom)
	switch age := custom.GetMaxAge(); {
	case age == nil:
		c.problem("reverification: max_age is missing: set it to at least one minute")
	case age.CheckValid() != nil || age.GetNanos() != 0:
		c.problem("reverification: max_age is not a number of whole seconds")
	case wanted.Within < ruleschema.MinMaxAge:
		c.problem("reverification: a max_age of %d seconds is shorter than tokens can show: set it to at least %d", age.GetSeconds(), ruleschema.MinMaxAge/time.Second)
	case wanted.Within > ruleschema.MaxMaxAge:
		c.problem("reverification: a max_age of %d seconds is over ten years, which asks for next to nothing: set it to at most %d, or leave the reverification out", age.GetSeconds(), ruleschema.MaxMaxAge/time.Second)
	}
	if wanted.Level == 0 {
		c.problem("reverification: %v is no level: use LEVEL_FIRST, LEVEL_SECOND or LEVEL_MULTI", custom.GetLevel())
	}
	return wanted
}

func (c *requireCompiler) condition(text string) {
	if c.evaluator == nil {
		c.problems = append(c.problems, ErrNoEvaluator)
		return
	}
	var request protoreflect.MessageDescriptor
	if c.method != nil {
		request = c.method.Input()
	}
	compiled, problems := c.evaluator.Compile(text, request)
	switch {
	case len(problems) > 0:
		c.problems = append(c.problems, problems...)
	case compiled.ReadsRequest() && compiled.ReadsClaims() && ruleschema.IsStream(c.method) && c.rule.stream.Lease == auth.LeaseRenewable:
		// A newer token may have other claims, and the messages that were compared
		// with the older ones are gone.
		c.problem("condition: it compares the messages of a stream with identity.claims, which may differ in a newer token: set stream.lease to LEASE_UNTIL_EXPIRY, or leave one of the two out")
	case compiled.ReadsRequest():
		c.message = compiled
	default:
		c.add(conditionRequirement{text, compiled})
	}
}
