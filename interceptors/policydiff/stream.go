package policydiff

import (
	"cmp"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// stream compares of what kind the calls of a method are, and how long its
// streams live.
func (c *comparison) stream(before, after *policyv1.Stream) {
	streamed, streams := ruleschema.IsStream(c.was), ruleschema.IsStream(c.is)
	if !streamed && !streams {
		return
	}
	was, wasWrong := ruleschema.StreamTerms(before)
	is, isWrong := ruleschema.StreamTerms(after)
	if len(wasWrong)+len(isWrong) > 0 {
		if !proto.Equal(before, after) || streamed != streams {
			c.add(Undecidable, "stream: what is not in order cannot be compared; ask policy check for the remedy")
		}
		return
	}
	switch {
	case !streamed:
		c.becomesStream(is)
	case !streams:
		c.becomesUnary(was)
	default:
		if was, is := kindOfCall(c.was), kindOfCall(c.is); was != is {
			c.add(Different, "stream: is a %s now (before: a %s)", is, was)
		}
		c.terms(was, is)
	}
}

func (c *comparison) terms(was, is auth.StreamTerms) {
	c.longer(cmp.Compare(bondage(was.Lease), bondage(is.Lease)), "stream: %s (before: %s)", ruleschema.LeaseInWords(is.Lease), ruleschema.LeaseInWords(was.Lease))
	was.MaxLifetime = cmp.Or(was.MaxLifetime, auth.DefaultMaxLifetime)
	is.MaxLifetime = cmp.Or(is.MaxLifetime, auth.DefaultMaxLifetime)
	c.longer(cmp.Compare(is.MaxLifetime, was.MaxLifetime), "stream: lives for %s at most (before: %s)", ruleschema.Short(is.MaxLifetime), ruleschema.Short(was.MaxLifetime))
}

// becomesStream compares one decision about each call with one about a stream of
// them. As long as the stream ends when its caller would be refused anew, nobody
// gains by it.
func (c *comparison) becomesStream(is auth.StreamTerms) {
	verdict := Different
	if is.Lease == auth.AtOpen {
		verdict = Looser
	}
	c.add(verdict, "stream: is a %s now, which %s (before: unary, and decided about each time)", kindOfCall(c.is), ruleschema.LeaseInWords(is.Lease))
}

func (c *comparison) becomesUnary(was auth.StreamTerms) {
	verdict := Different
	if was.Lease == auth.AtOpen {
		verdict = Stricter
	}
	c.add(verdict, "stream: is unary now, and decided about each time (before: a %s, which %s)", kindOfCall(c.was), ruleschema.LeaseInWords(was.Lease))
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
