package condition

import (
	"regexp"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// bounded refuses a call that would be too much work before it is made: an equality
// or an in whose arguments are too much to read, however large the lists are that it
// goes through, and a function of strings that would read or make too much.
func bounded(condition *cel.Ast) cel.ProgramOption {
	large := comparisonsOfMany(condition)
	return cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, isCall := i.(interpreter.InterpretableCall)
		if !isCall {
			return i, nil
		}
		if function := stringFunctions()[call.Function()]; function != nil {
			return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
				if stepsOnStrings(call.Function(), args) > maxCost {
					return types.NewErr("%s has too much to read or to make, and the limit is %d steps", call.Function(), maxCost)
				}
				return function(args...)
			}), nil
		}
		compare := comparisons[call.Function()]
		if compare == nil || !large[call.ID()] {
			return i, nil
		}
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			r := newReading(comparing)
			r.values(compared(call.Function(), args))
			switch {
			case r.failed != nil:
				return r.failed
			case r.steps() > maxCost:
				return types.NewErr("%s has too much to compare, and the limit is %d steps", call.Function(), maxCost)
			}
			return compare(args[0], args[1])
		}), nil
	})
}

// comparisonsOfMany returns the calls that may compare more than two values.
func comparisonsOfMany(condition *cel.Ast) map[int64]bool {
	found := make(map[int64]bool)
	ast.PreOrderVisit(condition.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || comparisons[e.AsCall().FunctionName()] == nil {
			return
		}
		for _, arg := range e.AsCall().Args() {
			switch condition.NativeRep().GetType(arg.ID()).Kind() {
			case types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.StringKind, types.BytesKind,
				types.TimestampKind, types.DurationKind, types.NullTypeKind:
			default:
				found[e.ID()] = true
			}
		}
	}))
	return found
}

var comparisons = map[string]func(x, y ref.Val) ref.Val{
	operators.Equals:    types.Equal,
	operators.NotEquals: notEqual,
	operators.In:        in,
	operators.OldIn:     in,
}

func notEqual(x, y ref.Val) ref.Val { return types.Bool(types.Equal(x, y) != types.True) }

func in(x, y ref.Val) ref.Val {
	if container, ok := y.(traits.Container); ok {
		return container.Contains(x)
	}
	return types.MaybeNoSuchOverloadErr(y)
}

// matching has every pattern compiled at start, and refuses a text that is too
// long for it before it is matched: the one call that is more than one pass over
// what it is given.
func matching() cel.ProgramOption {
	var all []*interpreter.RegexOptimization
	for _, overload := range []string{overloads.Matches, overloads.MatchesString} {
		all = append(all, &interpreter.RegexOptimization{Function: overloads.Matches, OverloadID: overload, RegexIndex: 1, Factory: compileMatch})
	}
	return cel.OptimizeRegex(all...)
}

func compileMatch(call interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	instructions, err := types.RegexProgramSize(pattern)
	if err != nil {
		return nil, err
	}
	longest := maxCost * bytesInAStep / instructions
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
		text, ok := args[0].(types.String)
		switch {
		case !ok:
			return types.MaybeNoSuchOverloadErr(args[0])
		case len(text) > longest:
			return types.NewErr("matches %q with a text of %d bytes, and the limit is %d", pattern, len(text), longest)
		default:
			return types.Bool(compiled.MatchString(string(text)))
		}
	}), nil
}
