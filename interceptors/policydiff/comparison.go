package policydiff

import (
	"cmp"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// A comparison gathers the changes of one procedure.
type comparison struct {
	procedure string
	origin    policy.Origin
	was, is   *terms
	changes   []Change

	countOnly bool // whether changes are only counted
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

// words is a text that is made only when it is printed.
type words func() string

func (w words) String() string { return w() }

func describe(rule *policyv1.Rule) words { return func() string { return policy.DescribeRule(rule) } }

// added compares a method that nobody could call before. A public one is looser; any
// other requires at least a token.
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

// whichIsLooser ends the changes of texts, which are not compared.
const whichIsLooser = "which of the two lets more callers pass cannot be decided"

// anyOf compares a part that requires one of its names, or nothing if it has none.
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

// allOf compares a part that requires all of its names.
func (c *comparison) allOf(part string, before, after names) {
	if gone := before.without(after); len(gone) > 0 {
		c.add(Looser, "%s: %s no longer required", part, every(gone))
	}
	if more := after.without(before); len(more) > 0 {
		c.add(Stricter, "%s: %s required too", part, every(more))
	}
}

// reverification compares limit and level separately. Level multi requires all that
// each of the other two levels does; neither of those includes the other.
func (c *comparison) reverification(before, after *policyv1.Reverification) {
	was, is := ruleschema.Reverification(before), ruleschema.Reverification(after)
	switch {
	case before == nil && after == nil:
		return
	case before == nil:
		c.add(Stricter, "reverification: %s is required", ruleschema.ReverificationInWords(is, after.GetAnyAcr()))
		return
	case after == nil:
		c.add(Looser, "reverification: %s is no longer required", ruleschema.ReverificationInWords(was, before.GetAnyAcr()))
		return
	}
	c.anyOf("reverification.any_acr", namesOf(before.GetAnyAcr()), namesOf(after.GetAnyAcr()), alternatives)
	switch asked, asks := before.GetFreshness() != nil, after.GetFreshness() != nil; {
	case !asked && !asks:
		return
	case !asked:
		c.add(Stricter, "reverification: %s is required", ruleschema.ReverificationInWords(is, nil))
		return
	case !asks:
		c.add(Looser, "reverification: %s is no longer required", ruleschema.ReverificationInWords(was, nil))
		return
	}
	if is.Within != was.Within {
		verdict := Stricter
		if is.Within > was.Within {
			verdict = Looser
		}
		c.add(verdict, "reverification: within %s (before: %s)", ruleschema.AgeInWords(is.Within), ruleschema.AgeInWords(was.Within))
	}
	switch asked, asks := strictness(was.Level), strictness(is.Level); {
	case is.Level == was.Level:
	case asks > asked:
		c.add(Stricter, "reverification: level %v (before: %v)", is.Level, was.Level)
	default:
		c.add(Looser, "reverification: level %v (before: %v)", is.Level, was.Level)
	}
}

// strictness orders the levels; no level is the strictest, as nobody meets it.
func strictness(level auth.FactorLevel) int {
	switch level {
	case auth.FirstFactor, auth.SecondFactor:
		return 1
	case auth.MultiFactor:
		return 2
	default:
		return 3
	}
}

// stream compares the kinds of call of a method, and how long its streams live.
func (c *comparison) stream() {
	streamed, streams := ruleschema.IsStream(c.was.method), ruleschema.IsStream(c.is.method)
	switch {
	case !streamed && !streams:
	case c.was.streamFaults || c.is.streamFaults:
		if streamed != streams || !proto.Equal(c.was.rule.GetStream(), c.is.rule.GetStream()) {
			c.add(Undecidable, "stream: what is not in order cannot be compared; ask policy check for the remedy")
		}
	case !streamed:
		c.becomesStream(c.is.stream)
	case !streams:
		c.becomesUnary(c.was.stream)
	default:
		if was, is := kindOfCall(c.was.method), kindOfCall(c.is.method); was != is {
			c.add(Different, "stream: is a %s now (before: a %s)", is, was)
		}
		c.lease(c.was.stream.Lease, c.is.stream.Lease)
		c.lifetime(c.was.stream.MaxLifetime, c.is.stream.MaxLifetime)
	}
}

// lease compares when streams end. A renewable stream may outlive the token that opened
// it, and ends earlier when a newer token of the session may not open it. So neither a
// renewable stream nor one until expiry always lives longer.
func (c *comparison) lease(was, is auth.LeaseMode) {
	if was == is {
		return
	}
	verdict := Stricter
	if is == auth.LeaseAtOpen || was == auth.LeaseUntilExpiry {
		verdict = Looser
	}
	c.add(verdict, "stream: %s (before: %s)", ruleschema.LeaseInWords(is), ruleschema.LeaseInWords(was))
	const (
		newest = "as long as the newest token of its session may open it"
		opened = "until the token that opened it expires"
	)
	switch {
	case was == auth.LeaseRenewable && is == auth.LeaseUntilExpiry:
		c.add(Looser, "stream: goes on %s (before: only %s)", opened, newest)
	case was == auth.LeaseUntilExpiry && is == auth.LeaseRenewable:
		c.add(Stricter, "stream: goes on only %s (before: %s)", newest, opened)
	}
}

func (c *comparison) lifetime(was, is time.Duration) {
	was, is = cmp.Or(was, auth.DefaultMaxLifetime), cmp.Or(is, auth.DefaultMaxLifetime)
	if was == is {
		return
	}
	verdict := Stricter
	if is > was {
		verdict = Looser
	}
	c.add(verdict, "stream: lives for %s at most (before: %s)", ruleschema.Short(is), ruleschema.Short(was))
}

// becomesStream compares unary calls with a stream. Nobody gains access as long as the
// stream ends when its caller would be refused.
func (c *comparison) becomesStream(is auth.StreamTerms) {
	verdict := Different
	if is.Lease == auth.LeaseAtOpen {
		verdict = Looser
	}
	c.add(verdict, "stream: is a %s now, which %s (before: unary, and decided about each time)", kindOfCall(c.is.method), ruleschema.LeaseInWords(is.Lease))
}

func (c *comparison) becomesUnary(was auth.StreamTerms) {
	verdict := Different
	if was.Lease == auth.LeaseAtOpen {
		verdict = Stricter
	}
	c.add(verdict, "stream: is unary now, and decided about each time (before: a %s, which %s)", kindOfCall(c.was.method), ruleschema.LeaseInWords(was.Lease))
}

func kindOfCall(method protoreflect.MethodDescriptor) string {
	switch {
	case !method.IsStreamingServer():
		return "stream from the client"
	case !method.IsStreamingClient():
		return "stream from the server"
	default:
		return "stream in both directions"
	}
}
