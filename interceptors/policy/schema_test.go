package policy_test

import (
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// pass stands for no reason at all, where a caller is admitted.
const pass = auth.Reason(255)

func public() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}
}

func authenticated() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

func condition(text string) *policyv1.Rule {
	return require(&policyv1.Require{Condition: text})
}

// handled returns the rule with what the handler asks beside it.
func handled(rule *policyv1.Rule, asks string) *policyv1.Rule {
	rule.HandlerRequires = asks
	return rule
}

const (
	schemaFile = "acme/note/v1/note.proto"
	service    = "acme.note.v1.NoteService"
)

// rules are those of a service's methods by name; nil for none.
type rules map[string]*policyv1.Rule

// newSchema returns a schema of one service with the given rules. Its methods
// take a Note:
//
//	message Note {
//	  string organization_id = 1;
//	  string owner = 2;
//	  repeated string tags = 3;
//	  Note parent = 4;
//	}
func newSchema(t testing.TB, fallback *policyv1.Rule, methods rules) protoreflect.FileDescriptor {
	t.Helper()
	return newFile(t, describe(fallback, methods))
}

func newFile(t testing.TB, described *descriptorpb.FileDescriptorProto) protoreflect.FileDescriptor {
	t.Helper()
	file, err := protodesc.NewFile(described, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func describe(fallback *policyv1.Rule, methods rules) *descriptorpb.FileDescriptorProto {
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
		Name:    proto.String(schemaFile),
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

func procedure(method string) string { return "/" + service + "/" + method }

// newPolicy compiles the rules of a schema, which must be in order.
func newPolicy(t testing.TB, file protoreflect.FileDescriptor) *policy.Policy {
	t.Helper()
	p, err := policy.New(policy.Files(file))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newNote returns a message of the schema.
func newNote(file protoreflect.FileDescriptor, organization, owner string, tags ...string) *dynamicpb.Message {
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

// assertReason checks a decision; want is pass where there must be no refusal.
func assertReason(t *testing.T, err error, want auth.Reason) {
	t.Helper()
	if want == pass {
		if err != nil {
			t.Errorf("refused: %v, cause %v", err, auth.AsError(err).Cause)
		}
		return
	}
	if reason, refused := auth.ReasonOf(err); !refused || reason != want {
		t.Errorf("%v, want reason %v", err, want)
	}
}

// exampleImage is an image with one method for these roles.
func exampleImage(roles ...string) []byte {
	file := describe(nil, rules{"Delete": require(&policyv1.Require{AnyRole: roles})})
	image, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		return nil // which no image is
	}
	return image
}
