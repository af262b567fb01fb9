package policy

import (
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The limits of a condition.
const (
	conditionCost  = 100_000                // the work of one evaluation, in CEL's unit, a step; some milliseconds
	conditionTime  = 100 * time.Millisecond // the same of all rounds of a loop, by the clock
	conditionSize  = 4096                   // the text, in characters
	conditionDepth = 50                     // how deep expressions nest
	conditionLoops = 2                      // how deep loops nest
)

// A conditionCompiler compiles the conditions of one policy. The zero value is
// ready for use, by one goroutine.
type conditionCompiler struct {
	base  *cel.Env                                 // without request; nil until the first condition
	files map[protoreflect.FileDescriptor]*cel.Env // with types, but still without request
}

// environment returns one in which request is the method's request message. Where
// method is nil there is no request.
func (c *conditionCompiler) environment(method protoreflect.MethodDescriptor) (*cel.Env, error) {
	if c.base == nil {
		base, err := cel.NewEnv(append(identityOptions(),
			cel.ParserRecursionLimit(conditionDepth),
			cel.ParserExpressionSizeLimit(conditionSize),
			cel.ASTValidators(
				cel.ValidateDurationLiterals(),
				cel.ValidateTimestampLiterals(),
				cel.ValidateRegexLiterals(),
				cel.ValidateHomogeneousAggregateLiterals(),
				cel.ValidateComprehensionNestingLimit(conditionLoops),
			),
		)...)
		if err != nil {
			return nil, err
		}
		c.base, c.files = base, make(map[protoreflect.FileDescriptor]*cel.Env)
	}
	if method == nil {
		return c.base, nil
	}
	withTypes, err := c.file(method.Input().ParentFile())
	if err != nil {
		return nil, err
	}
	return withTypes.Extend(cel.Variable("request", cel.ObjectType(string(method.Input().FullName()))))
}

// file returns the environment of all conditions whose requests are in a file. It
// is what takes room: the types of a file and of all that it imports.
//
// CEL takes a file that is linked into the program for any other of its path,
// so that conditions read the messages that handlers receive.
func (c *conditionCompiler) file(file protoreflect.FileDescriptor) (*cel.Env, error) {
	if known := c.files[file]; known != nil {
		return known, nil
	}
	var types []cel.EnvOption
	for _, f := range withImports(file) {
		types = append(types, cel.TypeDescs(f))
	}
	env, err := c.base.Extend(types...)
	if err != nil {
		return nil, err
	}
	c.files[file] = env
	return env, nil
}

// withImports returns a file and all that it imports, directly or not.
func withImports(file protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	var all []protoreflect.FileDescriptor
	seen := make(map[string]bool)
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		all = append(all, f)
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
	}
	add(file)
	return all
}

// compile checks a condition against the method's request message, and returns
// it or everything that is wrong with it. The method is nil for a procedure
// without a schema.
func (c *conditionCompiler) compile(text string, method protoreflect.MethodDescriptor) (*condition, []error) {
	env, err := c.environment(method)
	if err != nil {
		return nil, problem("%w", err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, describe(issues, method)
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, problem("it is of type %s: write one that is true or false", checked.OutputType())
	}
	names := namesOf(checked)
	if !names["request"] && !names["identity"] {
		return nil, problem("it names neither identity nor request, and so is the same for every call")
	}
	compiled := &condition{text: text}
	if names["request"] && method != nil {
		compiled.request = method.Input().FullName()
		read := readsOf(checked, method.Input())
		compiled.loops = loops(checked)
		compiled.check = messageCheck{times: read.times(), json: read.json, longest: conditionCost * bytesInAStep / max(1, references(checked))}
		if read.looksIntoAny() {
			return nil, problem("it looks into a %s, of which nothing is known at start: ask has(), and leave the rest to the handler", anyMessage)
		}
	}
	if err := checkWork(env, checked); err != nil {
		return nil, problem("%w", err)
	}
	compiled.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), matching(),
		cel.CostTracking(callCosts{}), cel.CostLimit(conditionCost), cel.InterruptCheckFrequency(1))
	if err != nil {
		return nil, problem("%w", err)
	}
	if result, _, err := compiled.program.Eval(cel.NoVars()); err == nil {
		return nil, problem("it is %v whoever calls, and whatever the request", result)
	}
	return compiled, nil
}

func problem(format string, args ...any) []error {
	return []error{fmt.Errorf("condition: "+format, args...)}
}

// describe says where in the condition each thing is that is wrong.
func describe(issues *cel.Issues, method protoreflect.MethodDescriptor) []error {
	var all []error
	for _, issue := range issues.Errors() {
		message := issue.Message
		if method == nil && strings.Contains(message, "'request'") {
			message += ": without a schema there is no request, only identity"
		}
		all = append(all, fmt.Errorf("condition, line %d, column %d: %s", issue.Location.Line(), issue.Location.Column()+1, message))
	}
	return all
}
