package condition_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// CEL copies such a message each time a condition names it.
func TestALargeJSONMessageIsRefusedIfAConditionReadsItOften(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 600_000)
	data := fmt.Sprintf("data { fields { key: 'a' value { string_value: %q } } }", large)
	value := fmt.Sprintf("{ string_value: %q }", large)
	for _, tt := range []struct {
		name      string
		condition string
		request   string
		cause     string // "" where the condition holds
	}{
		{"a Struct, once", "request.data.a != identity.subject", data, ""},
		{"a Struct, twice", "request.data.a != identity.subject && request.data.a != ''", data, "the request's data: a google.protobuf.Struct of more than"},
		{"a small Struct, often", strings.Repeat("request.data.a == 1.0 && ", 100) + "request.text == ''", "data { fields { key: 'a' value { number_value: 1 } } }", ""},
		{"a large Struct that it does not read", "request.list[0] == 1.0 && request.list[0] != 2.0", data + "list { values { number_value: 1 } }", ""},
		{"a Struct in a message in it", "request.job.data.a != '' && request.job.data.a != 'y'", "job {" + data + "}", "the request's job: a google.protobuf.Struct of more than"},
		{"a Struct of which the type is not known", "dyn(request.data).a != '' && [request.data][0].a != 'y'", data, "the request's data: a google.protobuf.Struct of more than"},
		{"a ListValue", "request.list[0] != '' && request.list[0] != 'y'", "list { values " + value + "}", "the request's list: a google.protobuf.ListValue of more than"},
		{"a Value in a list", "request.values[0] != '' && request.values[1] != 'y'", "values {} values " + value, "the request's values: a google.protobuf.Value of more than"},
		{"a Value that is the variable of a loop", "request.values.all(v, v != '' && v != 'y')", "values " + value, "the request's values: a google.protobuf.Value of more than"},
		{"a large text beside a small Struct", "request.data.a == 1.0 && request.data.a != 2.0", fmt.Sprintf("data { fields { key: 'a' value { number_value: 1 } } } text: '%s%s'", large, large), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule, job, err := newJobs(tt.condition)
			if err != nil {
				t.Fatal(err)
			}
			request := dynamicpb.NewMessage(job)
			if err := prototext.Unmarshal([]byte(tt.request), request); err != nil {
				t.Fatal(err)
			}
			err = rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, request)
			if tt.cause == "" {
				schematest.AssertReason(t, err, schematest.Pass)
				return
			}
			schematest.AssertReason(t, err, auth.ConditionNotMet)
			if cause := causeOf(err); !strings.Contains(cause, tt.cause) {
				t.Errorf("the cause is %.300q, want %q", cause, tt.cause)
			}
		})
	}
}

func TestARequestThatIsAStructIsReadLikeAFieldThatIsOne(t *testing.T) {
	t.Parallel()
	const schema = `name: "acme/any/v1/any.proto" package: "acme.any.v1" syntax: "proto3" dependency: "google/protobuf/struct.proto"
		service { name: "AnyService" method {
			name: "Run" input_type: ".google.protobuf.Struct" output_type: ".google.protobuf.Struct"
			options { [ostiary.policy.v1.rule] { require { condition: "request.a != '' && request.a != 'y'" } } }
		} }`
	var described descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(schema), &described); err != nil {
		t.Fatal(err)
	}
	rule := schematest.NewPolicy(t, schematest.NewFile(t, &described)).Rule("/acme.any.v1.AnyService/Run").(auth.MessageRule)
	for length, want := range map[int]auth.Reason{10: schematest.Pass, 600_000: auth.ConditionNotMet} {
		request, err := structpb.NewStruct(map[string]any{"a": strings.Repeat("x", length)})
		if err != nil {
			t.Fatal(err)
		}
		err = rule.CheckMessage(&auth.Identity{}, request)
		schematest.AssertReason(t, err, want)
		if cause := causeOf(err); want != schematest.Pass && !strings.Contains(cause, "the request: a google.protobuf.Struct of more than") {
			t.Errorf("the cause is %.300q", cause)
		}
	}
}

// A refusal takes no longer, and its text is no longer, for a time that is nested
// deeply.
func TestATimeOutOfRangeIsRefusedAtAnyDepth(t *testing.T) {
	t.Parallel()
	rule, job, err := newJobs("request.at <= identity.expire_time")
	if err != nil {
		t.Fatal(err)
	}
	in := func(field protoreflect.Name, message []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, job.Fields().ByName(field).Number(), protowire.BytesType), message)
	}
	nanos := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 2_000_000_000)
	encoded := in("at", nanos)
	for range 9_900 {
		encoded = in("job", encoded)
	}
	request := dynamicpb.NewMessage(job)
	if err := proto.Unmarshal(encoded, request); err != nil {
		t.Fatal(err)
	}
	err = rule.CheckMessage(&auth.Identity{ExpiresAt: time.Now()}, request)
	schematest.AssertReason(t, err, auth.ConditionNotMet)
	if cause := causeOf(err); !strings.Contains(cause, "the request's job: proto") || len(cause) > 300 {
		t.Errorf("the cause is %d bytes long: %.300s", len(cause), cause)
	}
}

// A variable may be named as another one is, which is then not read.
func TestAVariableOfALoopMayBeNamedRequest(t *testing.T) {
	t.Parallel()
	file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition("[identity].exists(request, request.subject == 'user_ada')")})
	rule := schematest.NewPolicy(t, file).Rule(schematest.Procedure("M"))
	schematest.AssertReason(t, rule.Check(&auth.Identity{Subject: "user_ada"}), schematest.Pass)
}

// A request with more messages than the limit is refused.
func TestTimesAreCheckedInALimitedNumberOfMessages(t *testing.T) {
	t.Parallel()
	rule, job, err := newJobs("request.at <= identity.expire_time")
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

// CEL would read a time out of range as another time.
func TestATimeOutOfRangeIsConditionNotMet(t *testing.T) {
	t.Parallel()
	const (
		early = "request.at <= identity.expire_time"
		short = "request.during <= duration('1h')"
	)
	for _, tt := range []struct {
		name      string
		condition string
		request   string
		cause     string // "" where the condition holds
	}{
		{"a time", early, "at { seconds: 1 nanos: 5 }", ""},
		{"a time beside much else", early, "at { seconds: 1 } texts: 'x' steps {} by_name { key: 'a' value {} } labels { key: 'a' value: 'b' }", ""},
		{"no time, which is 1970", early, "", ""},
		{"no time, where the condition asks", "has(request.at) && " + early, "", "is false"},
		{"a time after the last", early, fmt.Sprintf("at { seconds: %d }", int64(math.MaxInt64)), "the request's at: proto"},
		{"a time after the last, to which something is added", "request.at + duration('1h') <= identity.expire_time", fmt.Sprintf("at { seconds: %d }", int64(math.MaxInt64)), "the request's at: proto"},
		{"a time before the first", early, fmt.Sprintf("at { seconds: %d }", int64(math.MinInt64)), "the request's at: proto"},
		{"a time with too few nanoseconds", early, "at { nanos: -5 }", "the request's at: proto"},
		{"a time with too many nanoseconds", early, "at { nanos: 1000000000 }", "the request's at: proto"},
		{"a time in a list", "request.times.all(t, t <= identity.expire_time)", "times { seconds: 1 } times { nanos: -5 }", "the request's times: proto"},
		{"a list of times", "request.times == request.times", "times { nanos: -5 }", "the request's times: proto"},
		{"a time in a message in a map", "request.part_by_name['a'].at <= identity.expire_time", "part_by_name { key: 'a' value { at { nanos: -5 } } }", "the request's part_by_name: proto"},
		{"a time of which the type is not known", "dyn(request.times)[0] <= dyn(request.times)[0]", "times { nanos: -5 }", "the request's times: proto"},
		{"a duration", short, "during { seconds: -5 nanos: -5 }", ""},
		{"a duration over the longest", short, fmt.Sprintf("during { seconds: %d }", int64(math.MinInt64)), "the request's during: proto"},
		{"a duration of two signs", short, "during { seconds: 5 nanos: -5 }", "the request's during: proto"},
		{"a time that no condition computes with", "request.text == ''", "at { nanos: -5 }", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule, job, err := newJobs(tt.condition)
			if err != nil {
				t.Fatal(err)
			}
			request := dynamicpb.NewMessage(job)
			if err := prototext.Unmarshal([]byte(tt.request), request); err != nil {
				t.Fatal(err)
			}
			err = rule.CheckMessage(&auth.Identity{ExpiresAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, request)
			if tt.cause == "" {
				schematest.AssertReason(t, err, schematest.Pass)
				return
			}
			schematest.AssertReason(t, err, auth.ConditionNotMet)
			if cause := causeOf(err); !strings.Contains(cause, tt.cause) {
				t.Errorf("the cause is %q, want %q", cause, tt.cause)
			}
		})
	}
}
