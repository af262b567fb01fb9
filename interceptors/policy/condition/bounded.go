package condition

import (
	"regexp"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
)

// bounded refuses a call of too much work before it is made: an equality or an in
// whose arguments are too large, and a function of strings that would read or make
// too much.
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
	visit(condition, func(e ast.Expr) {
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
	})
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

// matching compiles every pattern at start, and refuses a text that is too long for
// its pattern: a match may pass over the text as often as the pattern has instructions.
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

// stringsVersion is that of CEL's extension for strings. It is fixed, so that a new
// release of the library cannot add a function whose work is not limited here.
const stringsVersion = 5

// stringFunctions are those of the extension, by name.
var stringFunctions = sync.OnceValue(func() map[string]functions.FunctionOp {
	env, err := cel.NewCustomEnv(ext.Strings(ext.StringsVersion(stringsVersion)))
	if err != nil {
		panic(err) // the options are constants
	}
	found := make(map[string]functions.FunctionOp)
	for name, declared := range env.Functions() {
		overloads, err := declared.Bindings()
		if err != nil {
			panic(err)
		}
		for _, overload := range overloads {
			if overload.Operator == name { // the one that selects among the others
				found[name] = callOf(overload)
			}
		}
	}
	return found
})

func callOf(f *functions.Overload) functions.FunctionOp {
	return func(args ...ref.Val) ref.Val {
		switch {
		case len(args) == 1 && f.Unary != nil:
			return f.Unary(args[0])
		case len(args) == 2 && f.Binary != nil:
			return f.Binary(args[0], args[1])
		case f.Function != nil:
			return f.Function(args...)
		default:
			return types.MaybeNoSuchOverloadErr(args[0])
		}
	}
}

func isStringFunction(name string) bool { return stringFunctions()[name] != nil }

// formatted has the most bytes that each value takes in a text that format makes: a
// number has up to 309 digits before the point and 100 behind. Maps are refused,
// because CEL copies a nested map once for each level.
var formatted = weights{element: 410, entry: maxCost * bytesInAStep, message: 40}

// runeWork is how many bytes it costs to convert one byte into characters.
const runeWork = 4

// stepsOnStrings returns the steps that a function of the extension takes to read
// its arguments and to make its result, or more than maxCost.
func stepsOnStrings(function string, args []ref.Val) uint64 {
	if function == "format" {
		r := newReading(formatted)
		r.values(args)
		return r.steps()
	}
	r := newReading(comparing)
	before := r.left
	r.values(args)
	if r.take((before - r.left) * (runeWork - 1)) {
		r.take(bytesMade(function, args))
	}
	return r.steps()
}

// bytesMade returns what a function does beyond reading its arguments once, in bytes.
func bytesMade(function string, args []ref.Val) int {
	text := func(i int) string {
		if i < len(args) {
			s, _ := args[i].(types.String)
			return string(s)
		}
		return ""
	}
	limit := func(i, most int) int { // the limit in an argument, if there is one
		if i < len(args) {
			if n, ok := args[i].(types.Int); ok && n >= 0 {
				return min(int(n), most)
			}
		}
		return most
	}
	switch function {
	case "indexOf", "lastIndexOf": // compared anew at each character
		return len(text(0)) * len(text(1))
	case "replace":
		return limit(3, strings.Count(text(0), text(1))) * len(text(2))
	case "split": // with a limit, room is made for as many parts
		parts := strings.Count(text(0), text(1)) + 1
		if len(args) > 2 {
			parts = max(parts, limit(2, len(text(0))+1))
		}
		return parts * 2 * bytesInAStep
	case "join":
		if list, ok := args[0].(traits.Lister); ok {
			if n, ok := list.Size().(types.Int); ok {
				return int(n) * len(text(1))
			}
		}
	}
	return 0
}
