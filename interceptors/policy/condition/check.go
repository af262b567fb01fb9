package condition

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/ostiary/ostiary/interceptors/internal/reads"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// A binder replaces the names of variables in a parsed condition.
type binder struct {
	condition *cel.Ast
	factory   ast.ExprFactory
	variables map[string]string // what replaces a name
	faults    []error
}

// bind replaces the names of the variables with names that no schema has. It returns a
// fault for each message whose name begins with one of them.
func bind(parsed *cel.Ast, withRequest bool) []error {
	b := binder{condition: parsed, factory: ast.NewExprFactory(), variables: map[string]string{reads.IdentityName: reads.IdentityVariable}}
	if withRequest {
		b.variables[reads.RequestName] = reads.RequestVariable
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
	b.faults = append(b.faults, faultAt(b.condition, e, format, args...))
}

// faultAt returns a fault with its place in the condition.
func faultAt(condition *cel.Ast, e ast.Expr, format string, args ...any) error {
	at := condition.NativeRep().SourceInfo().GetStartLocation(e.ID())
	return fmt.Errorf("condition, line %d, column %d: "+format, append([]any{at.Line(), at.Column() + 1}, args...)...)
}

// visit calls f with each expression in a condition.
func visit(condition *cel.Ast, f func(ast.Expr)) {
	ast.PreOrderVisit(condition.NativeRep().Expr(), ast.NewExprVisitor(f))
}

// namesOf returns the names that a condition refers to.
func namesOf(condition *cel.Ast) map[string]bool {
	names := make(map[string]bool)
	for _, reference := range condition.NativeRep().ReferenceMap() {
		names[reference.Name] = true
	}
	return names
}

// contains reports whether is holds for any expression in a condition.
func contains(condition *cel.Ast, is func(ast.Expr) bool) bool {
	found := false
	visit(condition, func(e ast.Expr) {
		found = found || is(e)
	})
	return found
}

func loops(condition *cel.Ast) bool {
	return contains(condition, func(e ast.Expr) bool { return e.Kind() == ast.ComprehensionKind })
}

// references counts the names in a condition that may stand for a part of the request:
// the request itself, or the variable of a loop. CEL copies what it reads through one
// reference at most once.
func references(condition *cel.Ast) int {
	count := 0
	visit(condition, func(e ast.Expr) {
		if e.Kind() != ast.IdentKind || strings.HasPrefix(e.AsIdent(), "@") { // a variable that a macro made
			return
		}
		if condition.NativeRep().GetType(e.ID()).TypeName() != identityType {
			count++
		}
	})
	return count
}

// checkWork refuses a condition that is too much work for every request, or whose work
// has no limit.
func checkWork(env *cel.Env, condition *cel.Ast) error {
	estimate, err := env.EstimateCost(condition, unknownSizes{})
	switch {
	case err != nil:
		return err
	case estimate.Min > maxCost:
		return fmt.Errorf("it is too much work, whatever the request: at least %d steps, and the limit is %d", estimate.Min, maxCost)
	case contains(condition, isOpenMatch):
		return fmt.Errorf("the pattern of %s is not written out: write it as a text, which is compiled at start", overloads.Matches)
	default:
		return nil
	}
}

// isOpenMatch reports whether an expression is a match whose pattern is not a literal,
// so that the caller could influence it.
func isOpenMatch(e ast.Expr) bool {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
		return false
	}
	args := e.AsCall().Args()
	return args[len(args)-1].Kind() != ast.LiteralKind
}

// unknownSizes estimates nothing: what a request holds is not known at start.
type unknownSizes struct{}

func (unknownSizes) EstimateSize(cost.AstNode) *cost.SizeEstimate { return nil }

func (unknownSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// nameChecks return why nobody can have a name, by the method of identity.
var nameChecks = map[string]func(string) error{
	"hasRole":       ruleschema.CheckRole,
	"hasPermission": ruleschema.CheckPermission,
	"hasScope":      ruleschema.CheckScope,
	"hasFeature":    ruleschema.CheckFeature,
	"hasPlan":       ruleschema.CheckFeature,
}

// unmeetable returns a fault for each requirement that nobody can meet, as for the other
// parts of a rule: a name such as * and a kind of token that does not exist.
func unmeetable(condition *cel.Ast) []error {
	var faults []error
	fault := func(e ast.Expr, format string, args ...any) {
		faults = append(faults, faultAt(condition, e, format, args...))
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
	visit(condition, func(e ast.Expr) {
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
	})
	return faults
}

// textOf returns the text of a string literal.
func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}
