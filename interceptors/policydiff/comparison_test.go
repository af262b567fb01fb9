package policydiff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

const unset, renewable = policyv1.StreamTerms_LEASE_UNSPECIFIED, policyv1.StreamTerms_LEASE_RENEWABLE

const untilExpiry, atOpen = policyv1.StreamTerms_LEASE_UNTIL_EXPIRY, policyv1.StreamTerms_LEASE_AT_OPEN

func TestDiffOfStreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		before, after *policyv1.Rule
		want          []string
	}{
		{"the default in its own words", schematest.Authenticated(), schematest.Streaming(renewable, 24*time.Hour), nil},
		{"a stream outlives its token", schematest.Authenticated(), schematest.Streaming(atOpen, 0), []string{"looser stream: outlives its token (before: ends with its session)"}},
		{"a stream ends with its token", schematest.Streaming(unset, 0), schematest.Streaming(untilExpiry, 0), []string{"stricter stream: ends with its token (before: ends with its session)", "looser stream: goes on until the token that opened it expires (before: only as long as the newest token of its session may open it)"}},
		{"a stream is renewed", schematest.Streaming(untilExpiry, 0), schematest.Streaming(renewable, 0), []string{"looser stream: ends with its session (before: ends with its token)", "stricter stream: goes on only as long as the newest token of its session may open it (before: until the token that opened it expires)"}},
		{"a stream no longer outlives its token", schematest.Streaming(atOpen, 0), schematest.Streaming(untilExpiry, 0), []string{"stricter stream: ends with its token (before: outlives its token)"}},
		{"a stream no longer outlives its session", schematest.Streaming(atOpen, 0), schematest.Streaming(renewable, 0), []string{"stricter stream: ends with its session (before: outlives its token)"}},
		{"a life of less than nothing", schematest.Streaming(renewable, 0), schematest.Streaming(renewable, -time.Hour), []string{"undecidable stream: what is not in order cannot be compared; ask policy check for the remedy"}},
		{"a stream may live longer", schematest.Streaming(renewable, time.Hour), schematest.Streaming(renewable, 0), []string{"looser stream: lives for 24h at most (before: 1h)"}},
		{"a stream may live less long", schematest.Streaming(renewable, time.Hour), schematest.Streaming(renewable, time.Minute), []string{"stricter stream: lives for 1m at most (before: 1h)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := lines(diff(t, schematest.NewMethod(t, auth.ServerStream, tt.before), schematest.NewMethod(t, auth.ServerStream, tt.after))); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if got := lines(diff(t, schematest.NewMethod(t, auth.Unary, tt.before), schematest.NewMethod(t, auth.Unary, tt.after))); got != nil {
				t.Errorf("of a unary method: %q", got)
			}
		})
	}
}

// A method that becomes a stream is checked once, where each call was before.
// Nobody gains by that where the stream ends as soon as its caller would be
// refused.
func TestDiffOfKindsOfCall(t *testing.T) {
	t.Parallel()
	owned := schematest.Condition("request.owner == identity.subject")
	member := schematest.Condition("identity.hasRole('member')")
	const passes = "condition: request.owner == identity.subject: a stream that brings no message passes (before: one request, which had to meet it)"
	const asked = "condition: request.owner == identity.subject: one request, which has to meet it (before: a stream that brought no message passed)"
	const unary, fromClient, fromServer, both = auth.Unary, auth.ClientStream, auth.ServerStream, auth.BidiStream
	for _, tt := range []struct {
		name          string
		was, is       auth.StreamType
		before, after *policyv1.Rule
		want          []string
	}{
		{"unary becomes a stream that ends with its session", unary, fromServer, schematest.Authenticated(), schematest.Authenticated(), []string{"different stream: is a stream from the server now, which ends with its session (before: unary, and decided about each time)"}},
		{"unary becomes a stream that ends with its token", unary, both, schematest.Streaming(untilExpiry, 0), schematest.Streaming(untilExpiry, 0), []string{"different stream: is a stream in both directions now, which ends with its token (before: unary, and decided about each time)"}},
		{"unary becomes a stream that outlives its token", unary, fromServer, schematest.Streaming(atOpen, 0), schematest.Streaming(atOpen, 0), []string{"looser stream: is a stream from the server now, which outlives its token (before: unary, and decided about each time)"}},
		{"unary becomes a stream by a rule that is new as well", unary, fromClient, schematest.Authenticated(), schematest.Streaming(atOpen, time.Hour), []string{"looser stream: is a stream from the client now, which outlives its token (before: unary, and decided about each time)"}},
		{"unary becomes a stream by a rule that no longer says how", unary, fromServer, schematest.Streaming(atOpen, 0), schematest.Authenticated(), []string{"different stream: is a stream from the server now, which ends with its session (before: unary, and decided about each time)"}},
		{"unary becomes a stream of unknown terms", unary, fromServer, schematest.Streaming(99, 0), schematest.Streaming(99, 0), []string{"undecidable stream: what is not in order cannot be compared; ask policy check for the remedy"}},
		{"unknown terms of the same stream", fromServer, fromServer, schematest.Streaming(99, 0), schematest.Streaming(99, 0), nil},

		{"a stream that ended with its session becomes unary", fromClient, unary, schematest.Authenticated(), schematest.Authenticated(), []string{"different stream: is unary now, and decided about each time (before: a stream from the client, which ends with its session)"}},
		{"a stream that ended with its token becomes unary", fromServer, unary, schematest.Streaming(untilExpiry, 0), schematest.Streaming(untilExpiry, 0), []string{"different stream: is unary now, and decided about each time (before: a stream from the server, which ends with its token)"}},
		{"a stream that outlived its token becomes unary", both, unary, schematest.Streaming(atOpen, 0), schematest.Streaming(atOpen, 0), []string{"stricter stream: is unary now, and decided about each time (before: a stream in both directions, which outlives its token)"}},

		{"a stream of another kind", fromServer, both, schematest.Authenticated(), schematest.Authenticated(), []string{"different stream: is a stream in both directions now (before: a stream from the server)"}},
		{"a stream of another kind that lives longer", fromClient, fromServer, schematest.Streaming(untilExpiry, 0), schematest.Streaming(atOpen, 0), []string{"different stream: is a stream from the server now (before: a stream from the client)", "looser stream: outlives its token (before: ends with its token)"}},

		{"a stream may bring no request to look at", unary, fromClient, owned, owned, []string{"looser " + passes, "different stream: is a stream from the client now, which ends with its session (before: unary, and decided about each time)"}},
		{"a stream in both directions may too", fromServer, both, owned, owned, []string{"looser " + passes, "different stream: is a stream in both directions now (before: a stream from the server)"}},
		{"a stream from the server brings its request", unary, fromServer, owned, owned, []string{"different stream: is a stream from the server now, which ends with its session (before: unary, and decided about each time)"}},
		{"a request that is always there", fromClient, unary, owned, owned, []string{"stricter " + asked, "different stream: is unary now, and decided about each time (before: a stream from the client, which ends with its session)"}},
		{"a request that nobody looks at", unary, fromClient, member, member, []string{"different stream: is a stream from the client now, which ends with its session (before: unary, and decided about each time)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := lines(diff(t, schematest.NewMethod(t, tt.was, tt.before), schematest.NewMethod(t, tt.is, tt.after))); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestTwoRulesOfManyNames(t *testing.T) {
	t.Parallel()
	const roles = 100_000
	named := func(format string) schematest.Rules {
		all := make([]string, roles)
		for i := range all {
			all[i] = fmt.Sprintf(format, i)
		}
		return schematest.Rules{"M": schematest.Require(&policyv1.Require{AnyRole: all})}
	}
	before, after := schematest.NewSchema(t, nil, named("a%d")), schematest.NewSchema(t, nil, named("b%d"))
	changes := diff(t, before, after)
	if got := lines(changes); len(got) != 2 || !strings.HasSuffix(got[0], "is enough too") || changes[0].Verdict != policydiff.Looser {
		t.Errorf("%d changes", len(got))
	}
}
