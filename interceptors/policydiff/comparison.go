package policydiff

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// A comparison gathers the changes of one procedure.
type comparison struct {
	procedure string
	origin    policy.Origin
	was, is   *terms
	changes   []Change

	countOnly bool // whether the changes that loosen are counted, and none gathered
	loosening int  // how many changes loosen
}

func (c *comparison) add(verdict Verdict, format string, args ...any) {
	if verdict.Loosens() {
		c.loosening++
	}
	if c.countOnly {
		return
	}
	c.changes = append(c.changes, Change{
		Procedure: c.procedure, Origin: c.origin,
		Verdict: verdict, Text: fmt.Sprintf(format, args...),
	})
}

// A words writes its text only where it is read.
type words func() string

func (w words) String() string { return w() }

func describe(rule *policyv1.Rule) words { return func() string { return policy.DescribeRule(rule) } }

// added compares a method that nobody could call before. A public one lets more
// callers pass than before, whatever else the schema has. Any other leaves what its
// readers decide to those who have a token.
func (c *comparison) added(what string) {
	switch {
	case !c.is.known:
		c.add(Undecidable, "%s: the rule has a part that this version does not know", what)
	case !c.is.usable:
		c.add(Different, "%s: no rule; a server cannot start without one", what)
	case c.is.rule.GetPublic() != nil:
		c.add(Looser, "%s: open to %s", what, describe(c.is.rule))
	default:
		c.add(Different, "%s: asks for %s", what, describe(c.is.rule))
	}
}

func (c *comparison) compare() {
	switch was, is := c.was, c.is; {
	case (!was.known || !is.known) && !proto.Equal(was.rule, is.rule):
		c.add(Undecidable, "the rule has a part that this version does not know: update ostiary to compare it")
	case !was.usable && !is.usable:
	case !was.usable:
		c.added("a method that had no rule")
	case !is.usable:
		c.add(Stricter, "there is no rule any more, and a server does not start without")
	default:
		c.access()
		c.stream()
	}
}

func (c *comparison) access() {
	switch before, after := c.was.rule, c.is.rule; {
	case before.GetPublic() != nil && after.GetPublic() != nil:
		c.ignoreInvalid(before.GetPublic().GetIgnoreInvalid(), after.GetPublic().GetIgnoreInvalid())
	case after.GetPublic() != nil:
		c.add(Looser, "public: open to %s (before: %s)", describe(after), describe(before))
	case before.GetPublic() != nil:
		c.add(Stricter, "asks for %s (before: %s)", describe(after), describe(before))
	default: // authenticated is a require that names nothing
		c.require()
		c.handlerRequires(c.was.handler, c.is.handler)
	}
}

func (c *comparison) ignoreInvalid(before, after bool) {
	switch {
	case before == after:
	case after:
		c.add(Looser, "ignore_invalid: a token that is not accepted no longer refuses its bearer")
	default:
		c.add(Stricter, "ignore_invalid: a token that is not accepted refuses its bearer now")
	}
}

func (c *comparison) require() {
	was, is := c.was, c.is
	before, after := was.rule.GetRequire(), is.rule.GetRequire()
	c.anyOf("kinds", was.kinds, is.kinds, alternatives)
	c.organization(before.GetOrganization(), after.GetOrganization())
	c.anyOf("any_role", was.roles, is.roles, alternatives)
	c.allOf("all_permissions", was.permissions, is.permissions)
	c.allOf("all_scopes", was.scopes, is.scopes)
	c.anyOf("any_feature", was.features, is.features, scopedAlternatives)
	c.anyOf("any_plan", was.plans, is.plans, scopedAlternatives)
	c.reverification(before.GetReverification(), after.GetReverification())
	c.condition()
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

// whichIsLooser is said of two texts that are not compared.
const whichIsLooser = "which of the two lets more callers pass cannot be decided"

// anyOf compares a part that asks for one of its names, or for nothing if it has
// none.
func (c *comparison) anyOf(part string, before, after names, inWords func(names) words) {
	gained, lost := after.without(before), before.without(after)
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

// allOf compares a part that asks for every one of its names.
func (c *comparison) allOf(part string, before, after names) {
	if gone := before.without(after); len(gone) > 0 {
		c.add(Looser, "%s: %s no longer required", part, every(gone))
	}
	if more := after.without(before); len(more) > 0 {
		c.add(Stricter, "%s: %s required too", part, every(more))
	}
}
