package condition

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// The variables of a condition, as it is written and as it is compiled. A schema
// may have a package or an enum named like a variable: to CEL, identity.v1.KIND is
// then a constant. No schema has a name with a dollar sign, and so the variables
// always win.
const (
	identityName, identityVariable = "identity", "$identity"
	requestName, requestVariable   = "request", "$request"
)

// A binder replaces the names of variables in a parsed condition.
type binder struct {
	condition *cel.Ast
	factory   ast.ExprFactory
	variables map[string]string // what replaces a name
	faults    []error
}

// bind replaces the names of the variables by names that no schema has, and returns
// what names something else that begins with one of them.
func bind(parsed *cel.Ast, withRequest bool) []error {
	b := binder{condition: parsed, factory: ast.NewExprFactory(), variables: map[string]string{identityName: identityVariable}}
	if withRequest {
		b.variables[requestName] = requestVariable
	}
	b.expression(parsed.NativeRep().Expr(), nil)
	return b.faults
}

// expression binds an expression and all that are in it. The variables of the loops
// around it are in scope, and hide those of the condition.
func (b *binder) expression(e ast.Expr, scope []string) {
	switch e.Kind() {
	case ast.IdentKind:
		name := strings.TrimPrefix(e.AsIdent(), ".")
		if variable, is := b.variables[name]; is && !slices.Contains(scope, e.AsIdent()) {
			e.SetKindCase(b.factory.NewIdent(e.ID(), variable))
		}
	case ast.StructKind:
		root, _, _ := strings.Cut(strings.TrimPrefix(e.AsStruct().TypeName(), "."), ".")
		if _, is := b.variables[root]; is {
			b.fault(e, "%s is no message here: %s is the variable", e.AsStruct().TypeName(), root)
		}
		for _, field := range e.AsStruct().Fields() {
			b.expression(field.AsStructField().Value(), scope)
		}
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		b.expression(loop.IterRange(), scope)
		b.expression(loop.AccuInit(), scope)
		inner := slices.Concat(scope, []string{loop.IterVar(), loop.IterVar2(), loop.AccuVar()})
		for _, part := range []ast.Expr{loop.LoopCondition(), loop.LoopStep(), loop.Result()} {
			b.expression(part, inner)
		}
	case ast.SelectKind:
		b.expression(e.AsSelect().Operand(), scope)
	case ast.CallKind:
		if e.AsCall().IsMemberFunction() {
			b.expression(e.AsCall().Target(), scope)
		}
		for _, arg := range e.AsCall().Args() {
			b.expression(arg, scope)
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			b.expression(element, scope)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			b.expression(entry.AsMapEntry().Key(), scope)
			b.expression(entry.AsMapEntry().Value(), scope)
		}
	case ast.LiteralKind, ast.UnspecifiedExprKind:
	}
}

func (b *binder) fault(e ast.Expr, format string, args ...any) {
	at := b.condition.NativeRep().SourceInfo().GetStartLocation(e.ID())
	b.faults = append(b.faults, fmt.Errorf("condition, line %d, column %d: "+format, append([]any{at.Line(), at.Column() + 1}, args...)...))
}
