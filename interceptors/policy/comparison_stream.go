package policy

import (
	"cmp"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// stream compares how long the streams of a method live.
func (c *comparison) stream(before, after *policyv1.Stream) {
	was, wasWrong := compileStream(before)
	is, isWrong := compileStream(after)
	switch {
	case proto.Equal(before, after):
		return
	case len(wasWrong)+len(isWrong) > 0:
		c.add(Undecidable, "stream: what is not in order cannot be compared; ask policy check for the remedy")
		return
	}
	c.longer(cmp.Compare(bondage(was.Lease), bondage(is.Lease)), "stream: %s (before: %s)", leaseInWords(is.Lease), leaseInWords(was.Lease))
	was.MaxLifetime = cmp.Or(was.MaxLifetime, auth.DefaultMaxLifetime)
	is.MaxLifetime = cmp.Or(is.MaxLifetime, auth.DefaultMaxLifetime)
	c.longer(cmp.Compare(is.MaxLifetime, was.MaxLifetime), "stream: lives for %v at most (before: %v)", is.MaxLifetime, was.MaxLifetime)
}

// longer tells of a change by which streams live longer, or by less than zero
// shorter.
func (c *comparison) longer(by int, format string, args ...any) {
	switch {
	case by > 0:
		c.add(Looser, format, args...)
	case by < 0:
		c.add(Stricter, format, args...)
	}
}

// bondage orders the leases by how closely they bind a stream to its token.
func bondage(lease auth.LeaseMode) int {
	switch lease {
	case auth.UntilExpiry:
		return 2
	case auth.Renewable:
		return 1
	default:
		return 0
	}
}

func leaseInWords(lease auth.LeaseMode) string {
	switch lease {
	case auth.UntilExpiry:
		return "ends with its token"
	case auth.Renewable:
		return "ends with its session"
	default:
		return "outlives its session"
	}
}
