package condition

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// nameChecks say why nobody can have a name, by the method of identity that asks for
// it.
var nameChecks = map[string]func(string) error{
	"hasRole":       ruleschema.CheckRole,
	"hasPermission": ruleschema.CheckPermission,
	"hasScope":      ruleschema.CheckScope,
	"hasFeature":    ruleschema.CheckFeature,
	"hasPlan":       ruleschema.CheckFeature,
}

// unmeetable returns what a condition asks for that nobody can have, as the other
// parts of a rule do: a name such as * and a kind of token that does not exist.
func unmeetable(condition *cel.Ast) []error {
	var faults []error
	fault := func(e ast.Expr, format string, args ...any) {
		at := condition.NativeRep().SourceInfo().GetStartLocation(e.ID())
		faults = append(faults, fmt.Errorf("condition, line %d, column %d: "+format, append([]any{at.Line(), at.Column() + 1}, args...)...))
	}
	isKind := func(e ast.Expr) bool {
		return e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly() && e.AsSelect().FieldName() == "kind" &&
			condition.NativeRep().GetType(e.AsSelect().Operand().ID()).TypeName() == identityType
	}
	checkKind := func(e ast.Expr) {
		if kind, written := textOf(e); written && !slices.Contains(ruleschema.TokenKindNames(), kind) {
			fault(e, "no token is of the kind %q: use %s", kind, strings.Join(ruleschema.TokenKindNames(), ", "))
		}
	}
	ast.PreOrderVisit(condition.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		args := e.AsCall().Args()
		switch function := e.AsCall().FunctionName(); function {
		case operators.Equals, operators.NotEquals:
			if isKind(args[0]) {
				checkKind(args[1])
			}
			if isKind(args[1]) {
				checkKind(args[0])
			}
		case operators.In:
			if isKind(args[0]) && args[1].Kind() == ast.ListKind {
				for _, element := range args[1].AsList().Elements() {
					checkKind(element)
				}
			}
		default:
			if check := nameChecks[function]; check != nil {
				if name, written := textOf(args[0]); written {
					if err := check(name); err != nil {
						fault(args[0], "%s: %q %w", function, name, err)
					}
				}
			}
		}
	}))
	return faults
}

// textOf returns the text of an expression that is one.
func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}
