package condition

import (
	"regexp"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

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
