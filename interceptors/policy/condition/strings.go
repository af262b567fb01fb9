package condition

import (
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// stringsVersion is that of CEL's extension for strings. It is written out so that
// no new release of the library adds a function of which nobody has weighed the work.
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
			if overload.Operator == name { // what chooses among the others
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

// formatted is what each value takes at most in a text that format makes: a number
// with 309 digits before the point and 100 behind. A map has no room: to write one
// that holds others, CEL copies each as often as it is deep.
var formatted = weights{element: 410, entry: maxCost * bytesInAStep, message: 40}

// runeWork is how many bytes the conversion of one into characters counts for.
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
	limit := func(i, most int) int { // how often, where an argument says so
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
