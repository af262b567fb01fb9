package policydiff

import (
	"cmp"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// stream compares of what kind the calls of a method are, and how long its
// streams live.
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

// lease compares when streams end. A renewable stream outlives its token, and ends
// before it where a newer token of the session may not open it any more. So of it
// and of one that ends with its token neither always lives longer.
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

// becomesStream compares a decision about each call with one about a stream of them.
// Nobody gains access as long as the stream ends when its caller would be refused
// again.
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
