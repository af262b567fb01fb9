package policydiff_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// orderSchema has a request with fields of all kinds that a schema may change.
const orderSchema = `
	name: "acme/order/v1/order.proto" package: "acme.order.v1" syntax: %q
	message_type { name: "Note"
		field { name: "owner" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "size" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
	}
	message_type { name: "Order"
		oneof_decl { name: "target" }
		field { name: "user" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
		field { name: "team" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
		field { name: "owner" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "title" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "size" number: 5 type: TYPE_INT32 label: LABEL_OPTIONAL }
		field { name: "count" number: 6 type: TYPE_INT32 label: LABEL_OPTIONAL }
		field { name: "state" number: 7 type: TYPE_ENUM type_name: ".acme.order.v1.State" label: LABEL_OPTIONAL }
		field { name: "tags" number: 8 type: TYPE_STRING label: LABEL_REPEATED }
		field { name: "note" number: 9 type: TYPE_MESSAGE type_name: ".acme.order.v1.Note" label: LABEL_OPTIONAL }
		field { name: "notes" number: 10 type: TYPE_MESSAGE type_name: ".acme.order.v1.Note" label: LABEL_REPEATED }
	}
	enum_type { name: "State" value { name: "OPEN" number: 0 } value { name: "SHUT" number: 1 } value { name: "LOST" number: 2 } }
	service { name: "OrderService" method {
		name: "Put" input_type: ".acme.order.v1.Order" output_type: ".acme.order.v1.Note"
		options { [ostiary.policy.v1.rule] { require { condition: %q } } }
	} }`

// orderConditions are on its fields.
var orderConditions = []string{
	"request.owner == identity.subject", "request.owner != identity.subject", "request.owner == '' || request.title != ''",
	"has(request.user) && identity.subject != ''", "!has(request.user) && identity.subject != ''", "request.user == identity.subject", "request.team == ''",
	"request.size < 3", "request.size != request.count", "request.state == acme.order.v1.State.OPEN", "request.state != 1", "request.size == acme.order.v1.State.SHUT",
	"request.tags.all(t, t == identity.subject)", "request.tags.size() < 2", "identity.subject in request.tags",
	"has(request.note) && identity.subject != ''", "request.note.owner == identity.subject", "request.note.size < 2", "request.note == request.notes[0]",
	"request.notes.exists(n, n.owner == identity.subject)", "request.notes.all(n, n.size < 2)", "request.note in request.notes",
	"identity.kind == 'session' || request.size == 2", "identity.hasRole('admin')",
	"acme.order.v1.Note{owner: identity.subject} == request.note",
}

// change makes one random change of the schema, that a protobuf compiler may refuse.
func (o *oracle) change(set *descriptorpb.FileDescriptorSet) {
	file := set.GetFile()[len(set.GetFile())-1]
	message := file.GetMessageType()[o.IntN(2)]
	field := func() *descriptorpb.FieldDescriptorProto { return message.GetField()[o.IntN(len(message.GetField()))] }
	f, g := field(), field()
	switch o.IntN(14) {
	case 0:
		f.Number = proto.Int32(1 + o.Int32N(14))
	case 1:
		*f.Number, *g.Number = *g.Number, *f.Number
	case 2:
		f.Type = pick(o, descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES,
			descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_SINT32,
			descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_FIXED32).Enum()
		f.TypeName = nil
	case 3:
		f.Label = pick(o, descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED).Enum()
	case 4:
		*f.Name, *g.Name = *g.Name, *f.Name
	case 5:
		f.JsonName = proto.String(pick(o, "owner", "title", "who", "size", "tag"))
	case 6: // out of the oneof, or into it
		order := file.GetMessageType()[1]
		if order.GetField()[2].OneofIndex != nil || o.chance(30) {
			order.GetField()[0].OneofIndex = nil
		} else {
			order.GetField()[2].OneofIndex = proto.Int32(0)
		}
	case 7: // another member of the oneof
		order := file.GetMessageType()[1]
		order.Field = slices.Insert(order.GetField(), 1, &descriptorpb.FieldDescriptorProto{
			Name: proto.String(fmt.Sprintf("member%d", o.IntN(1000))), Number: proto.Int32(11 + o.Int32N(4)), OneofIndex: proto.Int32(0),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		})
	case 8:
		message.Field = slices.DeleteFunc(message.GetField(), func(x *descriptorpb.FieldDescriptorProto) bool { return x == f })
	case 9:
		value := file.GetEnumType()[0].GetValue()[o.IntN(3)]
		value.Number = proto.Int32(o.Int32N(4))
	case 10:
		values := file.GetEnumType()[0].GetValue()
		values[0], values[1] = values[1], values[0]
	case 11: // present or not
		if f.OneofIndex == nil && f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL && file.GetSyntax() == "proto3" {
			f.Proto3Optional, f.OneofIndex = proto.Bool(true), proto.Int32(int32(len(message.GetOneofDecl())))
			message.OneofDecl = append(message.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.GetName())})
		} else if file.GetSyntax() == "proto2" && f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING && f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL {
			f.DefaultValue = proto.String("user_ada")
		}
	case 12: // an import whose names begin like the variables
		name := fmt.Sprintf("import%d.proto", o.IntN(1_000_000))
		imported := new(descriptorpb.FileDescriptorProto)
		_ = prototext.Unmarshal([]byte(`name: "`+name+`" syntax: "proto3" `+pick(o,
			`enum_type { name: "request" value { name: "owner" number: 0 } value { name: "size" number: 1 } value { name: "state" number: 2 } value { name: "tags" number: 3 } }`,
			`enum_type { name: "identity" value { name: "subject" number: 0 } value { name: "kind" number: 1 } }`,
			`package: "request" enum_type { name: "note" value { name: "owner" number: 0 } value { name: "size" number: 1 } } message_type { name: "user" }`,
			`package: "identity" message_type { name: "subject" } message_type { name: "kind" }`,
			`enum_type { name: "t" value { name: "x" number: 0 } } enum_type { name: "n" value { name: "size" number: 0 } value { name: "owner" number: 1 } }`)), imported)
		set.File = slices.Insert(set.GetFile(), 0, imported)
		file.Dependency = append(file.Dependency, name)
	case 13:
		method := file.GetService()[0].GetMethod()[0]
		method.ClientStreaming = proto.Bool(o.chance(50))
	}
}

// orders returns a schema of one file, and of what it imports.
func (o *oracle) orders() *descriptorpb.FileDescriptorSet {
	file := new(descriptorpb.FileDescriptorProto)
	text := fmt.Sprintf(orderSchema, pick(o, "proto3", "proto3", "proto2"), pick(o, orderConditions...))
	if err := prototext.Unmarshal([]byte(text), file); err != nil {
		panic(err)
	}
	if file.GetSyntax() == "proto2" {
		file.EnumType[0].Value[0].Number = proto.Int32(int32(o.IntN(2) * 5))
	}
	return &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}}
}

// started returns the schema's own file and its policy, or false where no server
// would start with it.
func started(set *descriptorpb.FileDescriptorSet) (protoreflect.FileDescriptor, *policy.Policy, bool) {
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, nil, false
	}
	file, err := files.FindFileByPath("acme/order/v1/order.proto")
	if err != nil {
		return nil, nil, false
	}
	p, err := policy.New(policy.Files(file), condition.Enable())
	return file, p, err == nil
}

// TestOracleOfSchemas changes the requests that conditions read.
func TestOracleOfSchemas(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	pairs, decided := *oraclePairs*3/10, 0
	for range pairs {
		was := o.orders()
		is := proto.CloneOf(was)
		for range 1 + o.IntN(2) {
			o.change(is)
		}
		old, before, starts := started(was)
		now, after, starts2 := started(is)
		if !starts || !starts2 {
			continue
		}
		decided++
		const procedure = "/acme.order.v1.OrderService/Put"
		o.judge(t, pair{
			before: before, after: after, was: procedure, is: procedure,
			wasMethod: old.Services().Get(0).Methods().Get(0), isMethod: now.Services().Get(0).Methods().Get(0),
			changes: policydiff.Diff([]protoreflect.FileDescriptor{old}, []protoreflect.FileDescriptor{now}),
		}, o.orderCalls(t, old, now))
		if t.Failed() {
			t.Logf("was %v", was)
			t.Fatalf("is  %v", is)
		}
	}
	if pairs >= 500 && decided < pairs/3 {
		t.Errorf("only %d of %d pairs of schemas start", decided, pairs)
	}
	o.assertPower(t, decided)
}

// orderCalls returns calls with messages as clients of either schema send them, and
// of one after the other, which is one message with the fields of both.
func (o *oracle) orderCalls(t *testing.T, schemas ...protoreflect.FileDescriptor) []call {
	t.Helper()
	calls := make([]call, 60)
	for i := range calls {
		calls[i] = call{caller: o.caller(), json: o.chance(30)}
		for range pick(o, 1, 1, 1, 1, 1, 1, 0) {
			var encoded []byte
			for range pick(o, 1, 1, 1, 2) {
				message := o.message(pick(o, schemas...).Services().Get(0).Methods().Get(0).Input(), 0)
				var err error
				if calls[i].json {
					encoded, err = protojson.Marshal(message)
				} else {
					encoded, err = proto.MarshalOptions{Deterministic: true, AllowPartial: true}.MarshalAppend(encoded, message)
				}
				if err != nil {
					encoded = nil
				}
			}
			calls[i].messages = append(calls[i].messages, encoded)
		}
	}
	return calls
}

// message fills in some fields, with few values, so that they are often equal.
func (o *oracle) message(m protoreflect.MessageDescriptor, depth int) *dynamicpb.Message {
	message := dynamicpb.NewMessage(m)
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		switch {
		case !o.chance(50) || depth > 2:
		case f.IsList():
			list := message.Mutable(f).List()
			for range o.IntN(3) {
				list.Append(o.value(f, depth))
			}
		default:
			message.Set(f, o.value(f, depth))
		}
	}
	return message
}

func (o *oracle) value(f protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(o.message(f.Message(), depth+1))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(o.IntN(4)))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(pick(o, "", "user_ada", "user_eve"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(pick(o, "", "user_ada")))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(o.IntN(4)))
	case protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(o.IntN(4)))
	default:
		return protoreflect.ValueOfInt32(int32(o.IntN(4)))
	}
}
