package condition_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// A comparison costs a step for each element, as a loop does, and what is in the
// elements. One that would cost too much is refused before it is made.
func TestTheWorkOfAComparisonIsLimitedLikeThatOfALoop(t *testing.T) {
	t.Parallel()
	const most = 99_000 // elements: the limit is 100,000 steps, and a little else costs some
	ids := func(n int) string { return strings.Repeat("ids: '' ", n) }
	steps := func(n int) string { return strings.Repeat("steps {} same_steps {} ", n) }
	long := func(n, bytes int) string {
		return strings.Repeat(fmt.Sprintf("texts: %[1]q same_texts: %[1]q ", strings.Repeat("x", bytes)), n)
	}
	parents := func(n int) string { return strings.Repeat("item { ids: 'x' ", n) + strings.Repeat("} ", n) }
	for _, tt := range []struct {
		name       string
		condition  string
		fits, over string
	}{
		{"in a list", "!(identity.subject in request.ids)", ids(most), ids(100_001)},
		{"not in a list, of any type", "!(dyn(identity.subject) in dyn(request.ids))", ids(most), ids(100_001)},
		{"in a list of long texts", "!(identity.subject in request.texts)", long(9, 100_000), long(11, 100_000)},
		{"in lists that are added", "!(identity.subject in (request.ids + request.ids))", ids(most / 3), ids(50_001)},
		{"equal lists", "request.ids == request.ids && identity.subject != ''", ids(most / 2), ids(50_001)},
		{"unequal lists", "request.ids != request.texts && identity.subject != ''", ids(most), ids(100_001)},
		{"equal lists of long texts", "request.texts == request.same_texts && identity.subject != ''", long(4, 100_000), long(6, 100_000)},
		{"equal lists of messages", "request.steps == request.same_steps && identity.subject != ''", steps(4_000), steps(5_000)},
		{"a message in a list", "!(request.item in [request.item.item]) && identity.subject != ''", parents(3_000), parents(9_000)},
		{"equal messages", "request.item == request.item && identity.subject != ''", parents(3_000), parents(9_000)},
		{"equal messages with lists", "request.item == request.item && identity.subject != ''", "item {" + ids(40_000) + "}", "item {" + ids(51_000) + "}"},
		{"equal messages with long texts", "request.item == request.item && identity.subject != ''", "item { texts: '" + strings.Repeat("x", 400_000) + "' }", "item { texts: '" + strings.Repeat("x", 600_000) + "' }"},
		{"equal messages with maps", "request.item == request.item && identity.subject != ''", "item {" + entries("labels { key: '%d' value: 'x' } ", 4_000) + "}", "item {" + entries("labels { key: '%d' value: 'x' } ", 5_000) + "}"},
		{"equal maps", "request.labels == request.labels && identity.subject != ''", entries("labels { key: '%d' value: 'x' } ", 4_000), entries("labels { key: '%d' value: 'x' } ", 5_000)},
		{"equal maps of long texts", "request.labels == request.labels && identity.subject != ''", "labels { key: 'a' value: '" + strings.Repeat("x", 400_000) + "' }", "labels { key: 'a' value: '" + strings.Repeat("x", 600_000) + "' }"},
		{"equal maps of messages", "request.by_name == request.by_name && identity.subject != ''", entries("by_name { key: '%d' value {} } ", 2_000), entries("by_name { key: '%d' value {} } ", 2_500)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule, job, err := newJobs(tt.condition)
			if err != nil {
				t.Fatal(err)
			}
			for text, want := range map[string]auth.Reason{tt.fits: schematest.Pass, tt.over: auth.ConditionNotMet} {
				request := dynamicpb.NewMessage(job)
				if err := prototext.Unmarshal([]byte(text), request); err != nil {
					t.Fatal(err)
				}
				err := rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, request)
				schematest.AssertReason(t, err, want)
				if cause := causeOf(err); want != schematest.Pass && !strings.Contains(cause, "cost limit") {
					t.Errorf("the cause is %.200s", cause)
				}
			}
		})
	}
}

// A request that is too large is refused without reading it all, however large it is.
// Nothing else runs meanwhile, because the time is measured.
func TestAComparisonOfTooMuchIsRefusedQuickly(t *testing.T) { //nolint:paralleltest // see above
	_, job, err := newJobs("request.text == identity.subject")
	if err != nil {
		t.Fatal(err)
	}
	var encoded []byte
	for _, field := range []protoreflect.Name{"ids", "steps", "same_steps"} {
		for range 200_000 {
			encoded = protowire.AppendBytes(protowire.AppendTag(encoded, job.Fields().ByName(field).Number(), protowire.BytesType), nil)
		}
	}
	for _, text := range []string{
		"identity.subject in request.ids", "request.ids == request.ids", "request.steps == request.same_steps", "request.steps in [request.same_steps]",
		"dyn(request.steps) == dyn(request.same_steps)",
	} {
		rule, job, err := newJobs(text)
		if err != nil {
			t.Fatal(err)
		}
		request := dynamicpb.NewMessage(job)
		if err := proto.Unmarshal(encoded, request); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, request), auth.ConditionNotMet)
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("%s took %v", text, took)
		}
	}
}

func TestFunctionsOfStrings(t *testing.T) {
	t.Parallel()
	ada := &auth.Identity{Subject: "user_ada", Roles: []string{"org:admin", "org:dev"}, RawClaims: `{"email":" Ada@Acme.Example "}`}
	for text, want := range map[string]auth.Reason{
		"identity.subject.charAt(0) == 'u'":                                                              schematest.Pass,
		"identity.subject.charAt(9) == 'u'":                                                              auth.ConditionNotMet,
		"identity.subject.indexOf('_') == 4 && identity.subject.lastIndexOf('a') == 7":                   schematest.Pass,
		"identity.subject.indexOf('a', 6) == 7 && identity.subject.indexOf('x') == -1":                   schematest.Pass,
		"identity.claims.email.trim().lowerAscii() == 'ada@acme.example'":                                schematest.Pass,
		"identity.claims.email.trim().upperAscii().endsWith('@ACME.EXAMPLE')":                            schematest.Pass,
		"identity.claims.email.trim().split('@')[1] == 'Acme.Example'":                                   schematest.Pass,
		"identity.subject.split('_', 1) == ['user_ada']":                                                 schematest.Pass,
		"identity.subject.replace('user_', '') == 'ada'":                                                 schematest.Pass,
		"identity.subject.replace('a', 'b', 1) == 'user_bda'":                                            schematest.Pass,
		"identity.subject.substring(5) == 'ada' && identity.subject.substring(0, 4) == 'user'":           schematest.Pass,
		"identity.subject.substring(9) == ''":                                                            auth.ConditionNotMet,
		"identity.roles.join() == 'org:adminorg:dev' && identity.roles.join(' ') == 'org:admin org:dev'": schematest.Pass,
		"identity.subject.reverse() == 'ada_resu'":                                                       schematest.Pass,
		"strings.quote(identity.subject) == '\"user_ada\"'":                                              schematest.Pass,
		"'%s/%s/%d'.format([identity.subject, request.owner, 3]) == 'user_ada/user_ada/3'":               schematest.Pass,
		"'%s'.format([identity.roles]) == '[org:admin, org:dev]'":                                        schematest.Pass,
		"'%s'.format([{identity.subject: 1}]) != ''":                                                     auth.ConditionNotMet, // a map is not written
		"dyn(identity.subject).lowerAscii() == 'user_ada'":                                               schematest.Pass,
		"identity.subject != '' && dyn(1).lowerAscii() == '1'":                                           auth.ConditionNotMet,
		"identity.subject != '' && request.owner.format([1]) == 'user_ada'":                              schematest.Pass,
		"identity.subject != '' && (request.owner + '%').format([1]) == ''":                              auth.ConditionNotMet,
		"identity.subject != '' && (request.owner + '%.').format([1]) == ''":                             auth.ConditionNotMet,
		"identity.subject != '' && (request.owner + '%.101f').format([1.0]) != ''":                       auth.ConditionNotMet,
		"identity.subject != '' && (request.owner + '%.100f').format([1.0]) != ''":                       schematest.Pass,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			schematest.AssertReason(t, decide(t, text, ada), want)
		})
	}
}

// No function of strings reads or makes much more than it is charged for, and one that
// would be too much work does not begin.
func TestTheWorkOfFunctionsOfStringsIsLimited(t *testing.T) {
	t.Parallel()
	const large = 5_000_000
	for _, tt := range []struct {
		name, text string
		owner      string
		tags       []string
	}{
		{"each character of a long text replaced by the text", "request.owner.replace('x', request.owner) != ''", strings.Repeat("x", 10_000), nil},
		{"the text between each two characters", "request.owner.replace('', request.owner) != ''", strings.Repeat("é", 10_000), nil},
		{"a long text sought in a longer one", "request.owner.indexOf(request.tags[0]) < 0", strings.Repeat("x", 50_000), []string{strings.Repeat("x", 25_000) + "y"}},
		{"a long text sought from the end", "request.owner.lastIndexOf(request.tags[0]) < 0", strings.Repeat("x", 50_000), []string{"y" + strings.Repeat("x", 25_000)}},
		{"a long text taken apart", "request.owner.split('').size() > 1", strings.Repeat("x", 100_000), nil},
		{"room for many parts", "request.owner.split('y', 9223372036854775807).size() == 1", strings.Repeat("x", 100_000), nil},
		{"a long separator", "request.tags.join(request.owner) != ''", strings.Repeat("x", 2_000), make([]string, 1_000)},
		{"a long separator, of any type", "dyn(request.tags).join(dyn(request.owner)) != ''", strings.Repeat("x", 2_000), make([]string, 1_000)},
		{"a long text in lower case", "request.owner.lowerAscii() != ''", strings.Repeat("x", large), nil},
		{"a long text in upper case", "request.owner.upperAscii() != ''", strings.Repeat("x", large), nil},
		{"a character of a long text", "request.owner.charAt(1) == 'x'", strings.Repeat("x", large), nil},
		{"a part of a long text", "request.owner.substring(1, 2) == 'x'", strings.Repeat("x", large), nil},
		{"a long text backwards", "request.owner.reverse() != ''", strings.Repeat("x", large), nil},
		{"a long text trimmed", "request.owner.trim() != ''", strings.Repeat(" ", large), nil},
		{"a long text quoted", "strings.quote(request.owner) != ''", strings.Repeat("\"", large), nil},
		{"a long format", "request.owner.format([1]) != ''", strings.Repeat("x", large), nil},
		{"a long text in a format", "'%s'.format([request.owner]) != ''", strings.Repeat("x", large), nil},
		{"many numbers in a format", "'%s'.format([request.tags.map(t, 1e308)]) != ''", "", make([]string, 10_000)},
		{"a short text in lower case, again and again", "request.tags.all(t, request.owner.lowerAscii() != '')", strings.Repeat("x", 10_000), make([]string, 100)},
		{"a text that grows", "request.owner.replace('x', 'xxxxxxxxxx').replace('x', 'xxxxxxxxxx').replace('x', 'xxxxxxxxxx').replace('x', 'xxxxxxxxxx') != ''", strings.Repeat("x", 1_000), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition(tt.text)})
			rule := schematest.NewPolicy(t, file).Rule(schematest.Procedure("M")).(auth.MessageRule)
			note := schematest.NewNote(file, "", tt.owner, tt.tags...)
			err := rule.CheckMessage(&auth.Identity{}, note)
			schematest.AssertReason(t, err, auth.ConditionNotMet)
			// A loop may be stopped by its time first, on a busy machine.
			if cause := causeOf(err); !strings.Contains(cause, "limit") && !strings.Contains(cause, "deadline") {
				t.Errorf("the cause is %q", cause)
			}
		})
	}
}

// Ordinary input is far from the limit.
func TestFunctionsOfStringsAcceptOrdinaryInput(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"request.owner.lowerAscii().trim().replace('-', '').reverse().split(',').size() == 1",
		"request.owner.indexOf('yyyy') == -1 && '%s'.format([request.owner]) == request.owner",
		"request.tags.join(',').split(',').all(t, t.upperAscii().substring(0, 3) == 'TAG')",
	} {
		file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition(text)})
		tags := make([]string, 500)
		for i := range tags {
			tags[i] = fmt.Sprintf("tag%d", i)
		}
		note := schematest.NewNote(file, "", strings.Repeat("x", 20_000), tags...)
		schematest.AssertReason(t, schematest.NewPolicy(t, file).Rule(schematest.Procedure("M")).(auth.MessageRule).CheckMessage(&auth.Identity{}, note), schematest.Pass)
	}
}
