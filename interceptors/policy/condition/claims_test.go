package condition_test

import (
	"fmt"
	"strings"
	"testing"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

const claims = `{
	"repository": "acme/app", "run_attempt": "1", "empty": "", "none": null,
	"https://x/roles": ["admin", "dev"], "mixed": [1, "one", null, true, {"a": [2]}], "no_list": [],
	"address": {"country": "CH", "zip": null, "geo": {"lat": 47.5}}, "no_members": {},
	"email_verified": true, "locked": false,
	"count": 3, "whole": 3.0, "half": 0.5, "small": -9223372036854775808, "large": 9223372036854775807,
	"odd": 9007199254740993, "too_large": 9223372036854775808, "huge": 1e400, "exp": 2000000000,
	"owner": "user_ada", "size": 7, "groups": ["org_acme", "org_beta"], "escaped": "caf\u00e9 \ud83d\ude00", "": "nameless"
}`

func TestClaims(t *testing.T) {
	t.Parallel()
	ada := &auth.Identity{Subject: "user_ada", Kind: auth.KindSession, RawClaims: claims}
	for _, tt := range []struct {
		name string
		text string
		want auth.Reason
	}{
		{"a text", "identity.claims.repository == 'acme/app'", schematest.Pass},
		{"another text", "identity.claims.repository == 'acme/other'", auth.ConditionNotMet},
		{"a text by the function of texts", "identity.claims.repository.startsWith('acme/')", schematest.Pass},
		{"a text by a pattern", "identity.claims.repository.matches('^acme/[a-z]+$')", schematest.Pass},
		{"an escaped text", "identity.claims.escaped == 'café 😀'", schematest.Pass},
		{"a name that is none", "identity.claims['https://x/roles'] == ['admin', 'dev']", schematest.Pass},
		{"an empty name", "identity.claims[''] == 'nameless'", schematest.Pass},
		{"a name like a function", "identity.claims.size == 7", schematest.Pass},
		{"in a list", "'admin' in identity.claims['https://x/roles']", schematest.Pass},
		{"not in a list", "'root' in identity.claims['https://x/roles']", auth.ConditionNotMet},
		{"each of a list", "identity.claims['https://x/roles'].all(r, r != 'root')", schematest.Pass},
		{"one of a list", "identity.claims.mixed.exists(m, m == 'one')", schematest.Pass},
		{"one of a list that is not of its type", "identity.claims.mixed[0] == 'one'", auth.ConditionNotMet},
		{"null in a list is left out", "identity.claims.mixed.size() == 4 && identity.claims.mixed[2] == true", schematest.Pass},
		{"null in a list equals nothing", "null in identity.claims.mixed || identity.claims.mixed.exists(m, m == null)", auth.ConditionNotMet},
		{"an object in a list", "identity.claims.mixed[3].a[0] == 2", schematest.Pass},
		{"behind the end of a list", "identity.claims.mixed[4] == null", auth.ConditionNotMet},
		{"an empty list", "identity.claims.no_list == [] && identity.claims.no_list.size() == 0", schematest.Pass},
		{"a member of an object", "identity.claims.address.country == 'CH' && identity.claims.address.geo.lat > 47.0", schematest.Pass},
		{"an object without members", "identity.claims.no_members == {}", schematest.Pass},
		{"a truth", "identity.claims.email_verified && identity.claims.email_verified == true", schematest.Pass},
		{"an untruth", "identity.claims.locked == true || !(!identity.claims.locked)", auth.ConditionNotMet},
		{"a text where a truth is wanted", "identity.claims.repository == true || !identity.claims.repository", auth.ConditionNotMet},
		{"a text that reads like a number", "identity.claims.run_attempt == 1", auth.ConditionNotMet},
		{"an int", "identity.claims.count == 3 && identity.claims.count < 4", schematest.Pass},
		{"an int is a double of the same value", "identity.claims.count == 3.0 && identity.claims.whole == 3 && identity.claims.count == identity.claims.whole", schematest.Pass},
		{"a double", "identity.claims.half == 0.5", schematest.Pass},
		{"the smallest and the largest int", "identity.claims.small == -9223372036854775808 && identity.claims.large == 9223372036854775807", schematest.Pass},
		{"an int beyond those of a double", "identity.claims.odd == 9007199254740993", schematest.Pass},
		{"its neighbour, which is the same double", "identity.claims.odd == 9007199254740992", auth.ConditionNotMet},
		{"an int that is too large", "identity.claims.too_large > 0", auth.ConditionNotMet},
		{"an int that is too large is there all the same", "has(identity.claims.too_large)", schematest.Pass},
		{"a double that is too large", "identity.claims.huge > 0", auth.ConditionNotMet},
		{"a double that is too large differs from nothing", "identity.claims.huge != 1", auth.ConditionNotMet},
		{"a claim that is there", "has(identity.claims) && has(identity.claims.repository) && has(identity.claims.empty) && has(identity.claims.address.country)", schematest.Pass},
		{"a claim that is absent", "has(identity.claims.nothing) || has(identity.claims.address.nothing)", auth.ConditionNotMet},
		{"a claim in an absent one", "!has(identity.claims.nothing.more)", auth.ConditionNotMet},
		{"an absent claim", "identity.claims.nothing == ''", auth.ConditionNotMet},
		{"an absent claim cannot be negated into a pass", "identity.claims.nothing != 'x'", auth.ConditionNotMet},
		{"an absent claim does not spoil another alternative", "identity.claims.nothing == 'x' || identity.subject == 'user_ada'", schematest.Pass},
		{"a claim that is null is absent", "has(identity.claims.none) || has(identity.claims.address.zip) || 'none' in identity.claims", auth.ConditionNotMet},
		{"a claim that is null equals nothing, not even null", "identity.claims.none == null", auth.ConditionNotMet},
		{"every claim has a name", "identity.claims.exists(name, name == 'repository')", schematest.Pass},
		{"the request's owner", "identity.claims.owner == request.owner", schematest.Pass},
		{"the request's field that is left out, and an absent claim", "identity.claims.nothing == request.parent.owner", auth.ConditionNotMet},
		{"the request's organization among some", "request.organization_id in identity.claims.groups", schematest.Pass},
		{"each of the request's, again and again", "request.tags.all(t, identity.claims.address.geo.lat == 47.5 && t != identity.claims.repository)", schematest.Pass},
		{"a claim is no field of the identity", "identity.claims.subject == 'user_ada'", auth.ConditionNotMet},
		{"a time, as the number that it is", "timestamp(identity.claims.exp) > timestamp('2033-01-01T00:00:00Z')", schematest.Pass},
		{"a function of what is not its type", "identity.claims.count.startsWith('3')", auth.ConditionNotMet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			schematest.AssertReason(t, decide(t, tt.text, ada), tt.want)
		})
	}
}

// decide asks a rule with the condition about a caller, with a request of ada's.
func decide(t *testing.T, text string, caller *auth.Identity) error {
	t.Helper()
	file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition(text)})
	rule := schematest.NewPolicy(t, file).Rule(schematest.Procedure("M"))
	err := rule.Check(caller)
	if byMessage, ok := rule.(auth.MessageRule); ok && err == nil {
		return byMessage.CheckMessage(caller, schematest.NewNote(file, "org_acme", "user_ada", "alpha", "arch"))
	}
	return err
}

// An identity that was not made of a token has no claims, and one whose claims are
// no JSON object has none that can be read.
func TestClaimsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for raw, cause := range map[string]string{
		"":               "ask has() first",
		`{"a":1`:         "the claims cannot be read",
		`{"a":1,"a":2}`:  "the claims cannot be read",
		`[{"a":1}]`:      "the claims cannot be read",
		`{"a":"\ud800"}`: "the claims cannot be read",
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40): "the claims cannot be read",
	} {
		for _, text := range []string{"identity.claims.a == 1", "has(identity.claims.a)", "!has(identity.claims.a)", "!('a' in identity.claims)"} {
			err := decide(t, text, &auth.Identity{RawClaims: raw})
			schematest.AssertReason(t, err, auth.ConditionNotMet)
			if got := causeOf(err); !strings.Contains(got, cause) {
				t.Errorf("%.40s, %s: the cause is %q", raw, text, got)
			}
		}
	}
	schematest.AssertReason(t, decide(t, "has(identity.claims)", &auth.Identity{}), auth.ConditionNotMet)
}

// Reading claims is charged like reading the request.
func TestTheWorkOnClaimsIsLimitedLikeThatOnTheRequest(t *testing.T) {
	t.Parallel()
	many := func(n int) string { return "[" + strings.Repeat(`"xxxxxxxxxx",`, n-1) + `"x"]` }
	for _, tt := range []struct {
		text       string
		fits, over string
	}{
		{"!('y' in identity.claims.a)", many(40_000), many(60_000)},
		{"identity.claims.a == identity.claims.a", many(20_000), many(40_000)},
		{"identity.claims.a.all(x, x != 'y')", many(10_000), many(60_000)},
		{"identity.claims.a.all(x, identity.claims.a == identity.claims.a)", many(100), many(1_000)},
		{"identity.claims.a.join(',') != ''", many(5_000), many(60_000)},
	} {
		for raw, want := range map[string]auth.Reason{tt.fits: schematest.Pass, tt.over: auth.ConditionNotMet} {
			err := decide(t, tt.text, &auth.Identity{RawClaims: fmt.Sprintf(`{"a":%s}`, raw)})
			schematest.AssertReason(t, err, want)
			if cause := causeOf(err); want != schematest.Pass && !strings.Contains(cause, "limit") {
				t.Errorf("%s: the cause is %q", tt.text, cause)
			}
		}
	}
}

func TestInvalidConditionsOnClaims(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"identity.claims == 1":                                   "no matching overload",
		"identity.claim.repository == 'x'":                       "undefined field 'claim'",
		"identity.claims[1] == 'x'":                              "no matching overload",
		"identity.claims.repository.matches(identity.claims.re)": "is not written out",
		"identity.claims.email_verified":                         "write one that is true or false, such as x == true",
	} {
		file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition(text)})
		_, err := policy.New(policy.Files(file), condition.Enable())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A newer token may have other claims, and the messages that were compared with the
// older ones are gone.
func TestARenewableStreamMayNotCompareItsMessagesWithClaims(t *testing.T) {
	t.Parallel()
	const lease = "condition: it compares the messages of a stream with identity.claims, which may differ in a newer token: set stream.lease to LEASE_UNTIL_EXPIRY"
	const both = "request.owner == identity.claims.owner"
	for _, tt := range []struct {
		name, text     string
		client, server bool
		lease          policyv1.StreamTerms_Lease
		want           string
	}{
		{"from the client", both, true, false, policyv1.StreamTerms_LEASE_UNSPECIFIED, lease},
		{"to the client", both, false, true, policyv1.StreamTerms_LEASE_RENEWABLE, lease},
		{"both ways", "has(dyn(identity).claims) && request.owner == identity.subject", true, true, policyv1.StreamTerms_LEASE_RENEWABLE, lease},
		{"in a loop", "request.tags.all(t, [identity].exists(i, i.claims.owner == t))", true, true, policyv1.StreamTerms_LEASE_RENEWABLE, lease},
		{"until expiry", both, true, true, policyv1.StreamTerms_LEASE_UNTIL_EXPIRY, ""},
		{"at open", both, true, true, policyv1.StreamTerms_LEASE_AT_OPEN, ""},
		{"no stream", both, false, false, policyv1.StreamTerms_LEASE_RENEWABLE, ""},
		{"without messages", "identity.claims.owner == 'user_ada'", true, true, policyv1.StreamTerms_LEASE_RENEWABLE, ""},
		{"without claims", "request.owner == identity.subject", true, true, policyv1.StreamTerms_LEASE_RENEWABLE, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := schematest.Condition(tt.text)
			rule.Stream = &policyv1.StreamTerms{Lease: tt.lease}
			schema := schematest.Describe(nil, schematest.Rules{"M": rule})
			method := schema.GetService()[0].GetMethod()[0]
			method.ClientStreaming, method.ServerStreaming = &tt.client, &tt.server
			_, err := policy.New(policy.Files(schematest.NewFile(t, schema)), condition.Enable())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A number that a condition cannot hold is an error wherever it is compared: CEL
// would take an error within a list or a map for equal to anything.
func TestAnErrorWithinAListEqualsNothing(t *testing.T) {
	t.Parallel()
	id := &auth.Identity{Subject: "user_ada", RawClaims: `{"a": [9223372036854775808], "b": [1e400, 5], "o": {"x": 1e400, "y": 1}, "deep": [[{"z": [18446744073709551616]}]]}`}
	for _, text := range []string{
		"identity.claims.a == [1]", "identity.claims.a != [1]", "[1] == identity.claims.a", "identity.claims.a == identity.claims.a",
		"1 in identity.claims.a", "!(1 in identity.claims.a)", "5 in identity.claims.b", "identity.claims.a in [[1]]", "identity.claims.a in [[2], [1]]",
		"!(identity.claims.a in {'x': 1})", "[1] in [identity.claims.a]", "identity.claims.a + [1] == [1, 1]",
		"identity.claims.o == {'x': 1, 'y': 1}", "identity.claims.o != {'x': 1, 'y': 1}", "{'x': 1, 'y': 1} == identity.claims.o", "identity.claims.o == identity.claims.o",
		"identity.claims.deep == [[{'z': [1]}]]", "[[{'z': [1]}]] == identity.claims.deep", "identity.claims.deep[0][0] == {'z': [1]}",
		"identity.claims == {'a': dyn([1]), 'b': dyn([1, 5]), 'o': dyn({'x': 1, 'y': 1}), 'deep': dyn([[{'z': [1]}]])}", "identity.claims == identity.claims",
		"[identity.claims] == [identity.claims]", "{'c': identity.claims.a} == {'c': [1]}", "[[1]].exists(x, x == identity.claims.a)",
		"google.protobuf.Struct{fields: identity.claims.o} == identity.claims.o", "identity.claims.a.map(x, x) == [1]", "identity.claims.a.filter(x, true) == [1]",
		"identity.claims.b.join(',') == '1,5'", "'%s'.format([identity.claims.b]) == '[1, 5]'", "type(identity.claims.a[0]) == int",
	} {
		err := decide(t, text, id)
		schematest.AssertReason(t, err, auth.ConditionNotMet)
		if cause := causeOf(err); !strings.Contains(cause, "failed: ") {
			t.Errorf("%s: the cause is %q", text, cause)
		}
	}
}
