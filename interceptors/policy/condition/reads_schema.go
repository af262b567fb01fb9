package condition

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

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
	if held.message != nil && isJSON(held.message) {
		r.json[f.FullName()] = true
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

// readEverything reads every message that the request's file knows, as any of them
// may be in it.
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

// defaultOf returns what is read of a field that is not there, where the schema
// says so. That of an enum is its first value, whatever the number.
func defaultOf(f protoreflect.FieldDescriptor) (value any, declared bool) {
	if !f.HasDefault() && (f.Enum() == nil || f.IsList() || f.Default().Enum() == 0) {
		return nil, false
	}
	return f.Default().Interface(), true
}
