package policydiff

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// A comparison gathers the changes of one procedure.
type comparison struct {
	procedure string
	origin    policy.Origin
	was, is   protoreflect.MethodDescriptor // nil where the schema does not have the method
	changes   []Change
}

func (c *comparison) add(verdict Verdict, format string, args ...any) {
	c.changes = append(c.changes, Change{
		Procedure: c.procedure, Origin: c.origin,
		Verdict: verdict, Text: fmt.Sprintf(format, args...),
	})
}

// added tells of a method that nobody could call before. One for everybody is
// more than there was, whatever else the schema has; any other leaves what its
// readers decide to those who have a token.
func (c *comparison) added(what string, rule *policyv1.Rule) {
	switch {
	case !ruleschema.Known(rule.ProtoReflect()):
		c.add(Undecidable, "%s: the rule has a part that this version does not know", what)
	case !usable(rule):
		c.add(Different, "%s: no rule; a server cannot start without one", what)
	case rule.GetPublic() != nil:
		c.add(Looser, "%s: open to %s", what, policy.Describe(rule))
	default:
		c.add(Different, "%s: asks for %s", what, policy.Describe(rule))
	}
}

func (c *comparison) compare(before, after *policyv1.Rule) {
	switch {
	case (!ruleschema.Known(before.ProtoReflect()) || !ruleschema.Known(after.ProtoReflect())) && !proto.Equal(before, after):
		c.add(Undecidable, "the rule has a part that this version does not know: update ostiary to compare it")
	case !usable(before) && !usable(after):
	case !usable(before):
		c.added("a method that had no rule", after)
	case !usable(after):
		c.add(Stricter, "there is no rule any more, and a server does not start without")
	default:
		c.access(before, after)
		c.stream(before.GetStream(), after.GetStream())
	}
}

func (c *comparison) access(before, after *policyv1.Rule) {
	switch {
	case before.GetPublic() != nil && after.GetPublic() != nil:
		c.ignoreInvalid(before.GetPublic().GetIgnoreInvalid(), after.GetPublic().GetIgnoreInvalid())
	case after.GetPublic() != nil:
		c.add(Looser, "public: open to %s (before: %s)", policy.Describe(after), policy.Describe(before))
	case before.GetPublic() != nil:
		c.add(Stricter, "asks for %s (before: %s)", policy.Describe(after), policy.Describe(before))
	default: // authenticated is a require that names nothing
		c.require(before.GetRequire(), after.GetRequire())
		c.handlerRequires(strings.TrimSpace(before.GetHandlerRequires()), strings.TrimSpace(after.GetHandlerRequires()))
	}
}

// usable reports whether the rule says who may call.
func usable(r *policyv1.Rule) bool { return r.GetAccess() != nil }

func (c *comparison) ignoreInvalid(before, after bool) {
	switch {
	case before == after:
	case after:
		c.add(Looser, "ignore_invalid: a token that is not accepted no longer refuses its bearer")
	default:
		c.add(Stricter, "ignore_invalid: a token that is not accepted refuses its bearer now")
	}
}

func (c *comparison) require(before, after *policyv1.Require) {
	c.anyOf("kinds", kindNames(before.GetKinds()), kindNames(after.GetKinds()), alternatives)
	c.organization(before.GetOrganization(), after.GetOrganization())
	c.anyOf("any_role", orgNames(before.GetAnyRole()), orgNames(after.GetAnyRole()), alternatives)
	c.allOf("all_permissions", orgNames(before.GetAllPermissions()), orgNames(after.GetAllPermissions()))
	c.allOf("all_scopes", before.GetAllScopes(), after.GetAllScopes())
	c.anyOf("any_feature", scopedNames(before.GetAnyFeature()), scopedNames(after.GetAnyFeature()), scopedAlternatives)
	c.anyOf("any_plan", scopedNames(before.GetAnyPlan()), scopedNames(after.GetAnyPlan()), scopedAlternatives)
	c.reverification(before.GetReverification(), after.GetReverification())
	c.condition(before.GetCondition(), after.GetCondition())
}

func (c *comparison) organization(before, after bool) {
	switch {
	case before == after:
	case after:
		c.add(Stricter, "organization: is required")
	default:
		c.add(Looser, "organization: is no longer required")
	}
}

func (c *comparison) handlerRequires(before, after string) {
	switch {
	case before == after:
	case before == "":
		c.add(Stricter, "handler_requires: the handler asks for more: %s", after)
	case after == "":
		c.add(Looser, "handler_requires: the handler no longer asks for it: %s", before)
	default:
		c.add(Undecidable, "handler_requires: %s (before: %s): %s", after, before, whichIsLooser)
	}
}

// whichIsLooser is what cannot be told of two texts.
const whichIsLooser = "which of the two lets more callers pass cannot be decided"

// anyOf compares a part that wants one of its names, any where it has none, and
// tells of names in these words.
func (c *comparison) anyOf(part string, before, after []string, inWords func([]string) string) {
	gained, lost := without(after, before), without(before, after)
	switch {
	case len(before) == 0 && len(after) == 0:
	case len(before) == 0:
		c.add(Stricter, "%s: %s is required", part, inWords(after))
	case len(after) == 0:
		c.add(Looser, "%s: %s is no longer required", part, inWords(before))
	default:
		if len(gained) > 0 {
			c.add(Looser, "%s: %s is enough too", part, inWords(gained))
		}
		if len(lost) > 0 {
			c.add(Stricter, "%s: %s is no longer enough", part, inWords(lost))
		}
	}
}

// allOf compares a part that wants every one of its names.
func (c *comparison) allOf(part string, before, after []string) {
	if gone := without(before, after); len(gone) > 0 {
		c.add(Looser, "%s: %s no longer required", part, every(gone))
	}
	if more := without(after, before); len(more) > 0 {
		c.add(Stricter, "%s: %s required too", part, every(more))
	}
}

// without returns the names that are not among the others, each once.
func without(names, others []string) []string {
	var left []string
	for _, name := range names {
		if !slices.Contains(others, name) && !slices.Contains(left, name) {
			left = append(left, name)
		}
	}
	return left
}
