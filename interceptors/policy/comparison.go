package policy

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// A comparison gathers the changes of one procedure.
type comparison struct {
	procedure string
	origin    Origin
	streams   bool
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
	case !known(rule.ProtoReflect()):
		c.add(Undecidable, "%s: the rule has a part that this version does not know", what)
	case !usable(rule):
		c.add(Different, "%s: no rule, and a server does not start without", what)
	case rule.GetPublic() != nil:
		c.add(Looser, "%s: open to %s", what, inWords(rule))
	default:
		c.add(Different, "%s: asks for %s", what, inWords(rule))
	}
}

func (c *comparison) compare(before, after *policyv1.Rule) {
	switch {
	case proto.Equal(before, after):
	case !known(before.ProtoReflect()) || !known(after.ProtoReflect()):
		c.add(Undecidable, "the rule has a part that this version does not know: update ostiary to compare it")
	case !usable(before) && !usable(after):
	case !usable(before):
		c.added("a method that had no rule", after)
	case !usable(after):
		c.add(Stricter, "there is no rule any more, and a server does not start without")
	default:
		c.access(before, after)
		if c.streams {
			c.stream(before.GetStream(), after.GetStream())
		}
	}
}

func (c *comparison) access(before, after *policyv1.Rule) {
	switch {
	case before.GetPublic() != nil && after.GetPublic() != nil:
		c.ignoreInvalid(before.GetPublic().GetIgnoreInvalid(), after.GetPublic().GetIgnoreInvalid())
	case after.GetPublic() != nil:
		c.add(Looser, "public: open to %s (before: %s)", inWords(after), inWords(before))
	case before.GetPublic() != nil:
		c.add(Stricter, "asks for %s (before: %s)", inWords(after), inWords(before))
	default: // authenticated is a require that names nothing
		c.require(before.GetRequire(), after.GetRequire())
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
	c.anyOf("kinds", kindNames(before.GetKinds()), kindNames(after.GetKinds()), sameName)
	c.organization(before.GetOrganization(), after.GetOrganization())
	c.anyOf("any_role", orgNames(before.GetAnyRole()), orgNames(after.GetAnyRole()), sameName)
	c.allOf("all_permissions", orgNames(before.GetAllPermissions()), orgNames(after.GetAllPermissions()))
	c.allOf("all_scopes", before.GetAllScopes(), after.GetAllScopes())
	c.anyOf("any_feature", scopedNames(before.GetAnyFeature()), scopedNames(after.GetAnyFeature()), coversScoped)
	c.anyOf("any_plan", scopedNames(before.GetAnyPlan()), scopedNames(after.GetAnyPlan()), coversScoped)
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

// anyOf compares a part that wants one of its names, any where it has none.
func (c *comparison) anyOf(part string, before, after []string, covers func(wide, narrow string) bool) {
	gained, lost := uncovered(after, before, covers), uncovered(before, after, covers)
	switch {
	case len(before) == 0 && len(after) == 0:
	case len(before) == 0:
		c.add(Stricter, "%s: %s is required", part, quoted(after, " or "))
	case len(after) == 0:
		c.add(Looser, "%s: %s is no longer required", part, quoted(before, " or "))
	default:
		if len(gained) > 0 {
			c.add(Looser, "%s: %s is enough too", part, quoted(gained, " or "))
		}
		if len(lost) > 0 {
			c.add(Stricter, "%s: %s is no longer enough", part, quoted(lost, " or "))
		}
	}
}

// allOf compares a part that wants every one of its names.
func (c *comparison) allOf(part string, before, after []string) {
	if gone := uncovered(before, after, sameName); len(gone) > 0 {
		c.add(Looser, "%s: %s is no longer required", part, quoted(gone, " and "))
	}
	if more := uncovered(after, before, sameName); len(more) > 0 {
		c.add(Stricter, "%s: %s is required too", part, quoted(more, " and "))
	}
}

// uncovered returns the names that none of the others covers, each once.
func uncovered(names, others []string, covers func(wide, narrow string) bool) []string {
	var left []string
	for _, name := range names {
		covered := slices.ContainsFunc(others, func(other string) bool { return covers(other, name) })
		if !covered && !slices.Contains(left, name) {
			left = append(left, name)
		}
	}
	return left
}
