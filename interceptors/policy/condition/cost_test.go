package condition_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/anypb" // jobSchema imports these four
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// jobSchema has a request with fields of all kinds, and a condition for its only
// method.
const jobSchema = `
	name: "acme/job/v1/job.proto" package: "acme.job.v1" syntax: "proto3"
	dependency: "google/protobuf/any.proto" dependency: "google/protobuf/duration.proto"
	dependency: "google/protobuf/struct.proto" dependency: "google/protobuf/timestamp.proto"
	message_type { name: "Part"
		field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "any" number: 2 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL }
		field { name: "at" number: 3 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
	}
	message_type { name: "Step"
		field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
	}
	message_type { name: "Item"
		field { name: "item" number: 1 type: TYPE_MESSAGE type_name: ".acme.job.v1.Item" label: LABEL_OPTIONAL }
		field { name: "ids" number: 2 type: TYPE_STRING label: LABEL_REPEATED }
		field { name: "texts" number: 3 type: TYPE_BYTES label: LABEL_REPEATED }
		field { name: "labels" number: 4 type: TYPE_MESSAGE type_name: ".acme.job.v1.Item.LabelsEntry" label: LABEL_REPEATED }
		nested_type { name: "LabelsEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
		}
	}
	message_type { name: "Job"
		field { name: "item" number: 20 type: TYPE_MESSAGE type_name: ".acme.job.v1.Item" label: LABEL_OPTIONAL }
		field { name: "ids" number: 1 type: TYPE_STRING label: LABEL_REPEATED }
		field { name: "text" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "texts" number: 3 type: TYPE_STRING label: LABEL_REPEATED }
		field { name: "same_texts" number: 4 type: TYPE_STRING label: LABEL_REPEATED }
		field { name: "steps" number: 5 type: TYPE_MESSAGE type_name: ".acme.job.v1.Step" label: LABEL_REPEATED }
		field { name: "same_steps" number: 6 type: TYPE_MESSAGE type_name: ".acme.job.v1.Step" label: LABEL_REPEATED }
		field { name: "by_name" number: 7 type: TYPE_MESSAGE type_name: ".acme.job.v1.Job.ByNameEntry" label: LABEL_REPEATED }
		field { name: "data" number: 8 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL }
		field { name: "at" number: 9 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
		field { name: "times" number: 10 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_REPEATED }
		field { name: "during" number: 11 type: TYPE_MESSAGE type_name: ".google.protobuf.Duration" label: LABEL_OPTIONAL }
		field { name: "part" number: 12 type: TYPE_MESSAGE type_name: ".acme.job.v1.Part" label: LABEL_OPTIONAL }
		field { name: "any" number: 13 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL }
		field { name: "anys" number: 14 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_REPEATED }
		field { name: "part_by_name" number: 15 type: TYPE_MESSAGE type_name: ".acme.job.v1.Job.PartByNameEntry" label: LABEL_REPEATED }
		field { name: "labels" number: 16 type: TYPE_MESSAGE type_name: ".acme.job.v1.Job.LabelsEntry" label: LABEL_REPEATED }
		field { name: "values" number: 17 type: TYPE_MESSAGE type_name: ".google.protobuf.Value" label: LABEL_REPEATED }
		field { name: "list" number: 18 type: TYPE_MESSAGE type_name: ".google.protobuf.ListValue" label: LABEL_OPTIONAL }
		field { name: "job" number: 19 type: TYPE_MESSAGE type_name: ".acme.job.v1.Job" label: LABEL_OPTIONAL }
		nested_type { name: "LabelsEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
		}
		nested_type { name: "ByNameEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".acme.job.v1.Step" label: LABEL_OPTIONAL }
		}
		nested_type { name: "PartByNameEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".acme.job.v1.Part" label: LABEL_OPTIONAL }
		}
	}
	service { name: "JobService" method {
		name: "Run" input_type: ".acme.job.v1.Job" output_type: ".acme.job.v1.Job"
		options { [ostiary.policy.v1.rule] { require { condition: %q } } }
	} }`

// newJobs returns the rule of the schema's method, and the message that it is about.
func newJobs(text string) (auth.MessageRule, protoreflect.MessageDescriptor, error) {
	var described descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal(fmt.Appendf(nil, jobSchema, text), &described); err != nil {
		return nil, nil, err
	}
	file, err := protodesc.NewFile(&described, protoregistry.GlobalFiles)
	if err != nil {
		return nil, nil, err
	}
	p, err := policy.New(policy.Files(file), condition.Enable())
	if err != nil {
		return nil, nil, err
	}
	rule, reads := p.Rule("/acme.job.v1.JobService/Run").(auth.MessageRule)
	if !reads {
		return nil, nil, errors.New("the condition does not read the request")
	}
	return rule, file.Messages().ByName("Job"), nil
}

// entries writes as many of a map as asked for, each with another key.
func entries(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestWorkIsLimitedWhateverTheRequest has conditions whose work grows with the request.
func TestWorkIsLimitedWhateverTheRequest(t *testing.T) {
	t.Parallel()
	const million = 1_000_000
	large := strings.Repeat("x", 3*million)
	text := func(text string) string { return fmt.Sprintf("text: %q at { seconds: 1 }", text) }
	steps := strings.Repeat("steps {} same_steps {}", 100_000)
	byName := "by_name { key: '%d' value {} } "
	texts := fmt.Sprintf("texts: %[1]q same_texts: %[1]q", large[:million])
	for _, tt := range []struct {
		name      string
		condition string
		request   string // beside 10,000 ids
	}{
		{"a number with many zeros", "request.ids.all(i, int(request.text) > 0)", text(strings.Repeat("0", 3*million) + "1")},
		{"a fraction with many digits", "request.ids.all(i, double(request.text) > 0.0)", text("0." + strings.Repeat("1", 3*million))},
		{"a time with many digits", "request.ids.all(i, timestamp(request.text) < identity.expire_time)", text("2021-01-01T00:00:00." + strings.Repeat("0", 3*million) + "Z")},
		{"a duration with many zeros", "request.ids.all(i, duration(request.text) > duration('0s'))", text(strings.Repeat("0", 3*million) + "1s")},
		{"a time zone with a long name", "request.ids.all(i, request.at.getHours(request.text) >= 0)", text(strings.Repeat("0", 3*million) + ":00")},
		{"a time zone, again and again", "request.ids.all(i, request.at.getHours('Europe/Berlin') >= 0)", text("")},
		{"equal lists of long texts", "request.ids.all(i, request.texts == request.same_texts)", texts},
		{"equal lists of messages", "request.ids.all(i, request.steps == request.same_steps)", steps},
		{"equal lists of which the type is not known", "request.ids.all(i, dyn(request.steps) == dyn(request.same_steps))", steps},
		{"a list in lists", "request.ids.all(i, request.steps in [request.same_steps])", steps},
		{"a long text in a list", "request.ids.all(i, request.texts[0] in request.same_texts)", texts},
		{"equal maps", "request.ids.all(i, request.by_name == request.by_name)", entries(byName, 30_000)},
		{"a long key in a map", "request.ids.all(i, !(request.text in request.by_name))", text(large) + entries(byName, 1)},
		{"what is in a Struct", "request.ids.all(i, request.data.key0 == '')", "data {" + entries("fields { key: 'key%d' value { string_value: '' } } ", 20_000) + "}"},
		{"what is in a Struct, without a loop", strings.TrimSuffix(strings.Repeat("request.data.a != request.text && ", 100), " && "), "data {" + entries("fields { key: 'key%d' value {} } ", 100_000) + "}"},
		{"what is in a Struct, often in one round", "request.ids.all(i, " + strings.TrimSuffix(strings.Repeat("request.data.a != i && ", 100), " && ") + ")", "data {" + entries("fields { key: 'key%d' value {} } ", 100_000) + "}"},
		{"what is in a Struct of which the type is not known", strings.TrimSuffix(strings.Repeat("dyn(request.data).a != 1 && ", 100), " && "), "data {" + entries("fields { key: 'key%d' value {} } ", 100_000) + "}"},
		{"a pattern with a long text", "request.text.matches('(x{500})+y')", text(large)},
		{"a pattern that is a function with a long text", "matches(request.text, '(x{500})+y')", text(large)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule, job, err := newJobs(tt.condition)
			if err != nil {
				t.Fatal(err)
			}
			request := dynamicpb.NewMessage(job)
			if err := prototext.Unmarshal([]byte(strings.Repeat("ids: '' ", 10_000)+tt.request), request); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err = rule.CheckMessage(&auth.Identity{ExpiresAt: start}, request)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			schematest.AssertReason(t, err, auth.ConditionNotMet)
			cause := causeOf(err)
			if !slices.ContainsFunc([]string{"cost limit", "deadline", "the limit is", "which is the limit"}, func(why string) bool { return strings.Contains(cause, why) }) {
				t.Errorf("the cause is %.200s", cause)
			}
		})
	}
}

// A condition may read a large request as long as its work is within the limit.
// Nothing else runs meanwhile, because loops are limited by the clock.
func TestALargeRequestAloneIsNotRefused(t *testing.T) { //nolint:paralleltest // see above
	for _, text := range []string{
		"request.text != identity.subject",
		"request.text.startsWith('x')",
		"!request.texts[0].contains(request.texts[1])",
		"request.steps.size() == 1000",
		"request.steps.map(s, s.name).size() == 1000",
		"request.steps.all(s, request.steps.size() == 1000)",
		"request.steps.all(s, !(s.name in request.by_name))",
		"request.steps.all(s, s.name != identity.subject)",
		"has(request.steps) && has(request.text)",
		"request.steps[7].name == ''",
	} {
		rule, job, err := newJobs(text)
		if err != nil {
			t.Fatal(err)
		}
		request := dynamicpb.NewMessage(job)
		large := fmt.Sprintf("text: %q", strings.Repeat("x", 1_100_000)) + strings.Repeat("steps {}", 1000) +
			fmt.Sprintf("texts: '%s' texts: 'y%s'", strings.Repeat("x", 100_000), strings.Repeat("x", 100)) + entries("by_name { key: '%d' value {} }", 1000)
		if err := prototext.Unmarshal([]byte(large), request); err != nil {
			t.Fatal(err)
		}
		if err := rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, request); err != nil {
			t.Errorf("%s: cause %v", text, auth.AsError(err).Cause)
		}
	}
}
