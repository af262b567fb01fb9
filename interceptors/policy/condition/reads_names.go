package condition

import (
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// What conditions name of the schema, they name in full: values of enums, such as
// acme.invoice.v1.State.STATE_PAID, and the messages that they make.

// schemaOf returns all that conditions on the messages of a file can name.
func schemaOf(file protoreflect.FileDescriptor) *protoregistry.Files {
	schema := new(protoregistry.Files)
	for _, file := range ruleschema.WithImports(file) {
		_ = schema.RegisterFile(file) // of two files that declare the same, the first has it
	}
	return schema
}

// named returns what the schema has by a name that is written in a condition, or
// nil.
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

// constant reads a selection that may be no selection, but the name of an enum's
// value. What begins with a variable is a selection.
func (r *reader) constant(e ast.Expr, scope map[string]holding) {
	name, _ := containers.ToQualifiedName(e)
	root, _, _ := strings.Cut(name, ".")
	if _, inner := scope[root]; inner {
		return
	}
	switch root, _, _ := strings.Cut(strings.TrimPrefix(name, "."), "."); root {
	case identityName, requestName:
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

// literal reads what a message of our own is given. The message is read as any
// other: what it is not given has the schema's default.
func (r *reader) literal(s ast.StructExpr, scope map[string]holding) holding {
	for _, field := range s.Fields() {
		r.use(field.AsStructField().Value(), scope)
	}
	message, _ := r.named(s.TypeName()).(protoreflect.MessageDescriptor)
	return holding{message: message}
}
