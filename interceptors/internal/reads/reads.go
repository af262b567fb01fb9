// Package reads finds out what the condition of a rule reads of a request:
//
//	expression, err := reads.Parse("request.owner == identity.subject")
//	read := expression.Reads(method.Input())
//
// The compiler of conditions needs it for the bounds of their work, and package
// policydiff to see whether a change of the schema changes what a condition means.
package reads

import (
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The limits of a condition's text.
const (
	MaxSize  = 4096 // in characters
	MaxDepth = 50   // how deep expressions nest
)

// The variables of a condition, as it is written and as it is compiled. A schema
// may have a package or an enum named like a variable: to CEL, identity.v1.KIND is
// then a constant. No schema has a name with a dollar sign, and so the variables
// always win.
const (
	IdentityName     = "identity"
	IdentityVariable = "$identity"
	RequestName      = "request"
	RequestVariable  = "$request"
)

// An Expression is a condition that was parsed and not checked, for comparing it
// with another.
type Expression struct {
	ast  *cel.Ast
	text string
}

// Parse reads a condition. It does not check that the condition fits a request.
func Parse(text string) (*Expression, error) {
	env, err := parser()
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	ast, issues := env.Parse(text)
	if err := issues.Err(); err != nil {
		return nil, err
	}
	return &Expression{ast, text}, nil
}

// parser knows no names.
var parser = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewCustomEnv(cel.Macros(cel.StandardMacros...), cel.EnableMacroCallTracking(),
		cel.ParserRecursionLimit(MaxDepth), cel.ParserExpressionSizeLimit(MaxSize))
})

// String writes the condition without the spaces, comments and parentheses that
// mean nothing, so that two conditions with the same text are the same.
func (e *Expression) String() string {
	if text, err := cel.AstToString(e.ast); err == nil {
		return text
	}
	return e.text
}

// Reads returns what the condition reads of a request.
func (e *Expression) Reads(request protoreflect.MessageDescriptor) Request {
	return Of(e.ast, request)
}

// Request is what a condition reads of a request and of its schema, by full name and
// as the schema declares it.
type Request struct {
	Read   bool              // whether it reads the request at all
	Fields map[string]string // the fields, each with its declaration
	Values map[string]string // the values of enums among the fields, and those that it names, each with its number

	JSON map[protoreflect.FullName]bool // the fields that hold what JSON can hold; the request's own name where it does
}

// Of finds the fields that a condition selects, of the request and of messages
// that it makes, and the enum values that it names. A message that is used in any
// other way, such as in a comparison, counts as read with all of its fields.
//
// It uses the types of the given schema, not types of the same names that are linked
// into the program.
func Of(condition *cel.Ast, request protoreflect.MessageDescriptor) Request {
	r := reader{
		Request: Request{Fields: make(map[string]string), Values: make(map[string]string), JSON: make(map[protoreflect.FullName]bool)},
		message: request,
		whole:   make(map[protoreflect.FullName]bool),
	}
	r.use(condition.NativeRep().Expr(), nil)
	return r.Request
}

// LooksIntoAny reports whether a condition reads the content of a google.protobuf.Any.
// CEL unpacks one each time it reads it, with all that are nested in it.
func (r Request) LooksIntoAny() bool { return r.has(anyMessage + ".value") }

// Times reports whether a condition reads a time of the request.
func (r Request) Times() bool {
	return r.has("google.protobuf.Timestamp.seconds") || r.has("google.protobuf.Duration.seconds")
}

func (r Request) has(field string) bool {
	_, read := r.Fields[field]
	return read
}

// IsJSON reports whether messages of a type hold what JSON can hold.
func IsJSON(m protoreflect.MessageDescriptor) bool {
	switch m.FullName() {
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return true
	default:
		return false
	}
}
