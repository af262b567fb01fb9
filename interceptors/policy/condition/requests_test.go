package condition_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// newRequests returns a schema of n methods, each with a request of its own, which
// has one field of its own, and a condition on that.
func newRequests(t testing.TB, n int) protoreflect.FileDescriptor {
	t.Helper()
	var text strings.Builder
	text.WriteString(`name: "acme/many/v1/many.proto" package: "acme.many.v1" syntax: "proto3"`)
	for i := range n {
		fmt.Fprintf(&text, `message_type { name: "R%[1]d" field { name: "owner%[1]d" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }`, i)
	}
	text.WriteString(`service { name: "ManyService"`)
	for i := range n {
		fmt.Fprintf(&text, `method { name: "M%[1]d" input_type: ".acme.many.v1.R%[1]d" output_type: ".acme.many.v1.R%[1]d"
			options { [ostiary.policy.v1.rule] { require { condition: "request.owner%[1]d == identity.subject" } } } }`, i)
	}
	text.WriteString(`}`)
	var described descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(text.String()), &described); err != nil {
		t.Fatal(err)
	}
	file, err := protodesc.NewFile(&described, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEachConditionReadsTheRequestOfItsMethod(t *testing.T) {
	t.Parallel()
	file := newRequests(t, 3)
	p := newPolicy(t, file)
	for i := range 3 {
		rule := p.Rule(fmt.Sprintf("/acme.many.v1.ManyService/M%d", i)).(auth.MessageRule)
		request := dynamicpb.NewMessage(file.Messages().Get(i))
		request.Set(request.Descriptor().Fields().Get(0), protoreflect.ValueOfString("user_ada"))
		schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, request), schematest.Pass)
		schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_eve"}, request), auth.ConditionNotMet)
	}
}
