package reads

import (
	"maps"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// A reader finds what an expression reads.
type reader struct {
	Request

	message protoreflect.MessageDescriptor // the request
	schema  *protoregistry.Files           // what a condition on it can name; nil until it is needed
	whole   map[protoreflect.FullName]bool // the messages of which every field was read
}

// A holding says which messages the value of an expression holds.
type holding struct {
	message protoreflect.MessageDescriptor // nil for none
	in      container
}

type container uint8

const (
	itself container = iota // the value is the message
	aList
	aMap
)

// use reads an expression whose value may be used in any way.
func (r *reader) use(e ast.Expr, scope map[string]holding) {
	if held := r.expression(e, scope); held.message != nil {
		r.readWhole(held.message)
	}
}

func (r *reader) useAll(all []ast.Expr, scope map[string]holding) {
	for _, e := range all {
		r.use(e, scope)
	}
}

// expression reads an expression, and returns the messages that its value holds, for the
// caller to decide how they are used. scope has the variables of the loops around it.
func (r *reader) expression(e ast.Expr, scope map[string]holding) holding {
	switch e.Kind() {
	case ast.IdentKind:
		return r.variable(e.AsIdent(), scope)
	case ast.SelectKind:
		r.constant(e, scope)
		selected := r.selection(r.expression(e.AsSelect().Operand(), scope), e.AsSelect().FieldName())
		if e.AsSelect().IsTestOnly() { // has(), which looks no further
			return holding{}
		}
		return selected
	case ast.CallKind:
		return r.call(e.AsCall(), scope)
	case ast.ComprehensionKind:
		r.loop(e.AsComprehension(), scope)
	case ast.ListKind:
		r.useAll(e.AsList().Elements(), scope)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			r.useAll([]ast.Expr{entry.AsMapEntry().Key(), entry.AsMapEntry().Value()}, scope)
		}
	case ast.StructKind:
		return r.literal(e.AsStruct(), scope)
	case ast.LiteralKind, ast.UnspecifiedExprKind:
	}
	return holding{}
}

func (r *reader) variable(name string, scope map[string]holding) holding {
	if held, inner := scope[name]; inner {
		return held
	}
	if name = strings.TrimPrefix(name, "."); name != RequestName && name != RequestVariable {
		return holding{}
	}
	r.Read = true
	if IsJSON(r.message) {
		r.JSON[r.message.FullName()] = true
	}
	return holding{message: r.message}
}

func (r *reader) selection(of holding, name string) holding {
	switch {
	case of.message == nil:
		return holding{}
	case of.in == aMap: // m.key is m["key"]
		return holding{message: of.message}
	case of.message.FullName() == anyMessage: // the field belongs to the message in it
		r.readWhole(of.message)
		return holding{}
	}
	if field := of.message.Fields().ByName(protoreflect.Name(name)); field != nil {
		return r.field(field)
	}
	return holding{}
}

// unpack reads all of a value that is a google.protobuf.Any, which CEL unpacks as soon as
// it reads it.
func (r *reader) unpack(held holding) {
	if held.message != nil && held.in == itself && held.message.FullName() == anyMessage {
		r.readWhole(held.message)
	}
}

// call treats two functions specially: an index and size read the container, and not
// the messages in it.
func (r *reader) call(c ast.CallExpr, scope map[string]holding) holding {
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	switch c.FunctionName() {
	case operators.Index:
		of := r.expression(args[0], scope)
		r.unpack(of)
		r.useAll(args[1:], scope)
		return holding{message: of.message}
	case overloads.Size:
		for _, arg := range args {
			r.unpack(r.expression(arg, scope))
		}
	default:
		r.useAll(args, scope)
	}
	return holding{}
}

func (r *reader) loop(c ast.ComprehensionExpr, scope map[string]holding) {
	each := holding{}
	if over := r.expression(c.IterRange(), scope); over.in == aList {
		each.message = over.message
		r.unpack(each)
	}
	r.use(c.AccuInit(), scope)
	inner := maps.Clone(scope)
	if inner == nil {
		inner = make(map[string]holding)
	}
	inner[c.IterVar()] = each
	r.useAll([]ast.Expr{c.LoopCondition(), c.LoopStep(), c.Result()}, inner)
}
