// Package schematest makes small schemas with rules, for tests.
package schematest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// Pass stands for no reason at all, where a caller is admitted.
const Pass = auth.Reason(255)

// Public returns a rule for anybody.
func Public() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}
}

// Authenticated returns a rule for every valid token.
func Authenticated() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
}

// Require returns a rule with these requirements.
func Require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

// Condition returns a rule with only a condition.
func Condition(text string) *policyv1.Rule {
	return Require(&policyv1.Require{Condition: text})
}

// Preset returns a reverification with a preset.
func Preset(p policyv1.Reverification_Preset) *policyv1.Reverification {
	return &policyv1.Reverification{Freshness: &policyv1.Reverification_Preset_{Preset: p}}
}

// Custom returns a reverification with a limit and a level.
func Custom(minutes uint32, level policyv1.Reverification_Level) *policyv1.Reverification {
	age := &durationpb.Duration{Seconds: int64(minutes) * 60}
	return &policyv1.Reverification{Freshness: &policyv1.Reverification_Custom_{
		Custom: &policyv1.Reverification_Custom{MaxAge: age, Level: level},
	}}
}

// Streaming returns a rule for every valid token, with terms for its streams; a
// lifetime of 0 is left out.
func Streaming(lease policyv1.StreamTerms_Lease, lifetime time.Duration) *policyv1.Rule {
	rule := Authenticated()
	rule.Stream = &policyv1.StreamTerms{Lease: lease}
	if lifetime != 0 {
		rule.Stream.MaxLifetime = durationpb.New(lifetime)
	}
	return rule
}

// Handled returns the rule with what the handler asks beside it.
func Handled(rule *policyv1.Rule, asks string) *policyv1.Rule {
	rule.HandlerRequires = asks
	return rule
}

// The names of the schema that NewSchema returns.
const (
	SchemaFile = "acme/note/v1/note.proto"
	Service    = "acme.note.v1.NoteService"
)

// Rules are those of a service's methods by name; nil for none.
type Rules map[string]*policyv1.Rule

// NewSchema returns a schema of one service with the given rules. Its methods
// take a Note:
//
//	message Note {
//	  string organization_id = 1;
//	  string owner = 2;
//	  repeated string tags = 3;
//	  Note parent = 4;
//	}
func NewSchema(t testing.TB, fallback *policyv1.Rule, methods Rules) protoreflect.FileDescriptor {
	t.Helper()
	return NewFile(t, Describe(fallback, methods))
}

// NewFile returns a file that may import what is linked into the test.
func NewFile(t testing.TB, described *descriptorpb.FileDescriptorProto) protoreflect.FileDescriptor {
	t.Helper()
	file, err := protodesc.NewFile(described, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Parse returns a schema that is written as a FileDescriptorProto.
func Parse(t testing.TB, text string) protoreflect.FileDescriptor {
	t.Helper()
	file := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(text), file); err != nil {
		t.Fatal(err)
	}
	return NewFile(t, file)
}

// NewMethod returns a schema with one method M of this kind.
func NewMethod(t testing.TB, kind auth.StreamType, rule *policyv1.Rule) protoreflect.FileDescriptor {
	t.Helper()
	file := Describe(nil, Rules{"M": rule})
	file.Service[0].Method[0].ClientStreaming = proto.Bool(kind == auth.ClientStream || kind == auth.BidiStream)
	file.Service[0].Method[0].ServerStreaming = proto.Bool(kind == auth.ServerStream || kind == auth.BidiStream)
	return NewFile(t, file)
}

// NewPolicy compiles the rules of a schema, which must be valid.
func NewPolicy(t testing.TB, file protoreflect.FileDescriptor) *policy.Policy {
	t.Helper()
	p, err := policy.New(policy.Files(file), condition.Enable())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Describe returns the description of the schema that NewSchema returns.
func Describe(fallback *policyv1.Rule, methods Rules) *descriptorpb.FileDescriptorProto {
	s := &descriptorpb.ServiceDescriptorProto{Name: proto.String("NoteService")}
	if fallback != nil {
		s.Options = &descriptorpb.ServiceOptions{}
		proto.SetExtension(s.Options, policyv1.E_DefaultRule, fallback)
	}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		m := &descriptorpb.MethodDescriptorProto{
			Name:       proto.String(name),
			InputType:  proto.String(".acme.note.v1.Note"),
			OutputType: proto.String(".acme.note.v1.Note"),
		}
		if methods[name] != nil {
			m.Options = &descriptorpb.MethodOptions{}
			proto.SetExtension(m.Options, policyv1.E_Rule, methods[name])
		}
		s.Method = append(s.Method, m)
	}
	field := func(number int32, name string, label descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number), Label: label.Enum(),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		}
	}
	parent := field(4, "parent", descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL)
	parent.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	parent.TypeName = proto.String(".acme.note.v1.Note")
	return &descriptorpb.FileDescriptorProto{
		Name:    proto.String(SchemaFile),
		Package: proto.String("acme.note.v1"),
		Syntax:  proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Note"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "organization_id", descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL),
				field(2, "owner", descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL),
				field(3, "tags", descriptorpb.FieldDescriptorProto_LABEL_REPEATED),
				parent,
			},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{s},
	}
}

// Procedure returns the procedure of a method of NewSchema.
func Procedure(method string) string { return "/" + Service + "/" + method }

// NewNote returns a message of the schema.
func NewNote(file protoreflect.FileDescriptor, organization, owner string, tags ...string) *dynamicpb.Message {
	note := dynamicpb.NewMessage(file.Messages().ByName("Note"))
	fields := note.Descriptor().Fields()
	note.Set(fields.ByName("organization_id"), protoreflect.ValueOfString(organization))
	note.Set(fields.ByName("owner"), protoreflect.ValueOfString(owner))
	list := note.Mutable(fields.ByName("tags")).List()
	for _, tag := range tags {
		list.Append(protoreflect.ValueOfString(tag))
	}
	return note
}

// AssertReason checks a decision; want is Pass where there must be no refusal.
func AssertReason(t *testing.T, err error, want auth.Reason) {
	t.Helper()
	if want == Pass {
		if err != nil {
			t.Errorf("refused: %v, cause %v", err, auth.AsError(err).Cause)
		}
		return
	}
	if reason, refused := auth.ReasonOf(err); !refused || reason != want {
		t.Errorf("%v, want reason %v", err, want)
	}
}
