package condition

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/overloads"
)

// namesOf returns the names that a condition refers to.
func namesOf(condition *cel.Ast) map[string]bool {
	names := make(map[string]bool)
	for _, reference := range condition.NativeRep().ReferenceMap() {
		names[reference.Name] = true
	}
	return names
}

// contains reports whether any expression in a condition is as asked for.
func contains(condition *cel.Ast, is func(ast.Expr) bool) bool {
	found := false
	ast.PreOrderVisit(condition.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || is(e)
	}))
	return found
}

func loops(condition *cel.Ast) bool {
	return contains(condition, func(e ast.Expr) bool { return e.Kind() == ast.ComprehensionKind })
}

// references counts how often a condition names what may be of the request: the
// request itself, or the variable of a loop. What is read of one reference CEL
// copies once at most.
func references(condition *cel.Ast) int {
	count := 0
	ast.PreOrderVisit(condition.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.IdentKind || strings.HasPrefix(e.AsIdent(), "@") { // one that a macro made
			return
		}
		if condition.NativeRep().GetType(e.ID()).TypeName() != identityType {
			count++
		}
	}))
	return count
}

// looksIntoAny reports whether a condition reads the content of a google.protobuf.Any.
// CEL unpacks one each time it reads it, with all that are nested in it.
func (r Reads) looksIntoAny() bool { return r.has(anyMessage + ".value") }

// times reports whether a condition reads a time of the request.
func (r Reads) times() bool {
	return r.has(timestampMessage+".seconds") || r.has(durationMessage+".seconds")
}

func (r Reads) has(field string) bool {
	_, read := r.Fields[field]
	return read
}

// checkWork refuses a condition that is too much work for every request, or that can
// be any amount of work.
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

// isOpenMatch finds a match whose pattern the caller could influence.
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
