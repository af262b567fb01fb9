package policydiff

import (
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// reverification compares limit and level apart. Of the levels, multi asks for
// everything that each of the other two does; of those two, neither does.
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
		c.add(verdict, "reverification: within %.0f minutes (before: %.0f)", is.Within.Minutes(), was.Within.Minutes())
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
