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

// One comparison is charged for every element that it goes through, as a loop is, and
// for what is in them. One that is too much is refused before it is made.
func TestAComparisonIsBoundedAsALoopIs(t *testing.T) {
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

// However large it is, a request is not read to find out that it is too large. Its loops have little time, which
// is why nothing else runs meanwhile.
func TestAComparisonOfTooMuchTakesNoTime(t *testing.T) { //nolint:paralleltest // see above
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

// A request with more messages than are looked at for times is refused.
func TestTimesAreLookedForInSoManyMessages(t *testing.T) {
	t.Parallel()
	rule, job, err := newJobs("request.at <= identity.expires_at")
	if err != nil {
		t.Fatal(err)
	}
	for messages, want := range map[int]auth.Reason{100_000: schematest.Pass, 100_001: auth.ConditionNotMet} {
		request := dynamicpb.NewMessage(job)
		if err := prototext.Unmarshal([]byte(strings.Repeat("steps {} ", messages)), request); err != nil {
			t.Fatal(err)
		}
		err := rule.CheckMessage(&auth.Identity{ExpiresAt: time.Unix(1, 0)}, request)
		schematest.AssertReason(t, err, want)
		if cause := causeOf(err); want != schematest.Pass && !strings.Contains(cause, "the request's steps: more messages than are checked, and the limit is 100000") {
			t.Errorf("the cause is %.200s", cause)
		}
	}
}
