package reads

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// field reads one field, and returns what it holds. The other members of its oneof
// are read too: a request that has one of them has not the field.
func (r *reader) field(f protoreflect.FieldDescriptor) holding {
	if oneof := f.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		for i := range oneof.Fields().Len() {
			member := oneof.Fields().Get(i)
			r.Fields[string(member.FullName())] = declarationOf(member)
		}
	}
	r.Fields[string(f.FullName())] = declarationOf(f)
	value := f
	held := holding{}
	switch {
	case f.IsMap():
		value, held.in = f.MapValue(), aMap
	case f.IsList():
		held.in = aList
	}
	if enum := value.Enum(); enum != nil {
		for i := range enum.Values().Len() {
			r.value(enum, enum.Values().Get(i))
		}
	}
	held.message = value.Message()
	if held.message != nil && IsJSON(held.message) {
		r.JSON[f.FullName()] = true
	}
	return held
}

// anyMessage has any other message in it.
const anyMessage = "google.protobuf.Any"

// readWhole reads every field of a message, and of the messages in it.
func (r *reader) readWhole(m protoreflect.MessageDescriptor) {
	if r.whole[m.FullName()] {
		return
	}
	r.whole[m.FullName()] = true
	if m.FullName() == anyMessage {
		r.readEverything()
	}
	for i := range m.Fields().Len() {
		if held := r.field(m.Fields().Get(i)); held.message != nil {
			r.readWhole(held.message)
		}
	}
}

// readEverything reads every message that the file of the request imports or declares:
// a google.protobuf.Any may hold any of them.
func (r *reader) readEverything() {
	for _, file := range ruleschema.WithImports(r.message.ParentFile()) {
		r.readAll(file.Messages())
	}
}

func (r *reader) readAll(messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		r.readWhole(messages.Get(i))
		r.readAll(messages.Get(i).Messages())
	}
}

// declarationOf writes a field as a .proto does. Two fields of one declaration
// are read alike from the same request.
func declarationOf(f protoreflect.FieldDescriptor) string {
	label := ""
	switch oneof := f.ContainingOneof(); {
	case f.IsList():
		label = "repeated "
	case f.Cardinality() == protoreflect.Required:
		label = "required "
	case oneof != nil && !oneof.IsSynthetic():
		label = "oneof " + string(oneof.Name()) + " "
	case f.HasPresence() && f.Message() == nil:
		label = "optional "
	}
	typ := typeOf(f)
	if f.IsMap() {
		typ = fmt.Sprintf("map<%s, %s>", typeOf(f.MapKey()), typeOf(f.MapValue()))
	}
	var options []string
	if value, other := defaultOf(f); other {
		options = append(options, fmt.Sprintf("default = %v", value))
	}
	if f.JSONName() != string(f.Name()) {
		options = append(options, fmt.Sprintf("json_name = %q", f.JSONName()))
	}
	// JSON may name a field by either name, and takes the JSON names of others first.
	for _, name := range slices.Compact([]string{string(f.Name()), f.JSONName()}) {
		if other := f.ContainingMessage().Fields().ByJSONName(name); other != nil && other != f {
			options = append(options, fmt.Sprintf("%q is %s in JSON", name, other.Name()))
		}
	}
	text := fmt.Sprintf("%s%s %s = %d", label, typ, f.Name(), f.Number())
	if len(options) > 0 {
		text += " [" + strings.Join(options, ", ") + "]"
	}
	return "`" + text + "`"
}

func typeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Kind() == protoreflect.GroupKind:
		return "group " + string(f.Message().FullName())
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	default:
		return f.Kind().String()
	}
}

// defaultOf returns the default of an absent field, where the schema declares one. The
// default of an enum is its first value, whatever the number.
func defaultOf(f protoreflect.FieldDescriptor) (value any, declared bool) {
	if !f.HasDefault() && (f.Enum() == nil || f.IsList() || f.Default().Enum() == 0) {
		return nil, false
	}
	return f.Default().Interface(), true
}

// Conditions use the full names of the schema: of values of enums, such as
// acme.invoice.v1.State.STATE_PAID, and of messages that they make.

// schemaOf returns all that conditions on the messages of a file can name.
func schemaOf(file protoreflect.FileDescriptor) *protoregistry.Files {
	schema := new(protoregistry.Files)
	for _, file := range ruleschema.WithImports(file) {
		_ = schema.RegisterFile(file) // of two files that declare the same, the first has it
	}
	return schema
}

// named returns the descriptor of a name in a condition, or nil.
func (r *reader) named(name string) protoreflect.Descriptor {
	if r.schema == nil {
		r.schema = schemaOf(r.message.ParentFile())
	}
	found, err := r.schema.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(name, ".")))
	if err != nil {
		return nil
	}
	return found
}

// constant reads a selection that may be the name of an enum's value. One that begins
// with a variable is not.
func (r *reader) constant(e ast.Expr, scope map[string]holding) {
	name, _ := containers.ToQualifiedName(e)
	root, _, _ := strings.Cut(name, ".")
	if _, inner := scope[root]; inner {
		return
	}
	switch root, _, _ := strings.Cut(strings.TrimPrefix(name, "."), "."); root {
	case IdentityName, RequestName:
		return
	}
	dot := max(0, strings.LastIndexByte(name, '.'))
	enum, isEnum := r.named(name[:dot]).(protoreflect.EnumDescriptor)
	if !isEnum {
		return
	}
	if value := enum.Values().ByName(protoreflect.Name(name[dot+1:])); value != nil {
		r.value(enum, value)
	}
}

func (r *reader) value(enum protoreflect.EnumDescriptor, value protoreflect.EnumValueDescriptor) {
	r.Values[string(enum.FullName())+"."+string(value.Name())] = strconv.Itoa(int(value.Number()))
}

// literal reads the fields of a message that the condition makes. The message is read
// like any other: a field that is not set has the default of the schema.
func (r *reader) literal(s ast.StructExpr, scope map[string]holding) holding {
	for _, field := range s.Fields() {
		r.use(field.AsStructField().Value(), scope)
	}
	message, _ := r.named(s.TypeName()).(protoreflect.MessageDescriptor)
	return holding{message: message}
}
