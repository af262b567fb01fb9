package condition

import (
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/internal/reads"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// The limits of a condition.
const (
	maxCost  = 100_000                // the work of one evaluation, in steps, CEL's unit; some milliseconds
	maxTime  = 100 * time.Millisecond // the time of all rounds of a loop
	maxLoops = 2                      // how deep loops nest
)

// A compiler compiles the conditions of one policy. The zero value is ready for
// use, by one goroutine.
type compiler struct {
	base  *cel.Env                                 // without request; nil until the first condition
	files map[protoreflect.FileDescriptor]*cel.Env // with types, but still without request
}

// environment returns an environment in which the variable request has the type of a
// message. Without a message there is no such variable.
func (c *compiler) environment(request protoreflect.MessageDescriptor) (*cel.Env, error) {
	if c.base == nil {
		base, err := cel.NewEnv(append(identityOptions(),
			ext.Strings(ext.StringsVersion(stringsVersion)),
			cel.ParserRecursionLimit(reads.MaxDepth),
			cel.ParserExpressionSizeLimit(reads.MaxSize),
			cel.ASTValidators(
				cel.ValidateDurationLiterals(),
				cel.ValidateTimestampLiterals(),
				cel.ValidateRegexLiterals(),
				cel.ValidateHomogeneousAggregateLiterals(),
				cel.ValidateComprehensionNestingLimit(maxLoops),
			),
		)...)
		if err != nil {
			return nil, err
		}
		c.base, c.files = base, make(map[protoreflect.FileDescriptor]*cel.Env)
	}
	if request == nil {
		return c.base, nil
	}
	withTypes, err := c.file(request.ParentFile())
	if err != nil {
		return nil, err
	}
	return withTypes.Extend(cel.Variable(reads.RequestVariable, cel.ObjectType(string(request.FullName()))))
}

// file returns the environment of all conditions whose requests are in a file, with
// the types of the file and of all that it imports. It is most of the memory.
//
// CEL uses a file that is linked into the program instead of any other with the same
// path, so that conditions read the messages that handlers receive.
func (c *compiler) file(file protoreflect.FileDescriptor) (*cel.Env, error) {
	if known := c.files[file]; known != nil {
		return known, nil
	}
	var types []cel.EnvOption
	for _, f := range ruleschema.WithImports(file) {
		types = append(types, cel.TypeDescs(f))
	}
	env, err := c.base.Extend(types...)
	if err != nil {
		return nil, err
	}
	c.files[file] = env
	return env, nil
}

// Compile implements policy.Evaluator.
func (c *compiler) Compile(text string, request protoreflect.MessageDescriptor) (policy.Condition, []error) {
	env, err := c.environment(request)
	if err != nil {
		return nil, problem("%w", err)
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, describe(issues, request)
	}
	if faults := bind(parsed, request != nil); len(faults) > 0 {
		return nil, faults
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, describe(issues, request)
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, problem("it is of type %s: write one that is true or false, such as x == true", checked.OutputType())
	}
	names := namesOf(checked)
	if !names[reads.RequestVariable] && !names[reads.IdentityVariable] {
		return nil, problem("it names neither identity nor request, and so is the same for every call")
	}
	compiled := &condition{text: text, claims: contains(checked, isClaims(checked))}
	if names[reads.RequestVariable] && request != nil {
		compiled.request = true
		read := reads.Of(checked, request)
		compiled.loops = loops(checked)
		compiled.check = messageCheck{times: read.Times(), json: read.JSON, longest: maxCost * bytesInAStep / max(1, references(checked))}
		if read.LooksIntoAny() {
			return nil, problem("it looks into a google.protobuf.Any, of which nothing is known at start: ask has(), and leave the rest to the handler")
		}
	}
	if faults := unmeetable(checked); len(faults) > 0 {
		return nil, faults
	}
	if err := checkWork(env, checked); err != nil {
		return nil, problem("%w", err)
	}
	compiled.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), matching(), bounded(checked),
		cel.CostTracking(callCosts{}), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(1))
	if err != nil {
		return nil, problem("%w", err)
	}
	if result, _, err := compiled.program.Eval(cel.NoVars()); err == nil {
		return nil, problem("it is %v for every caller and every request", result)
	}
	return compiled, nil
}

func problem(format string, args ...any) []error {
	return []error{fmt.Errorf("condition: "+format, args...)}
}

// describe returns each fault with its place in the condition.
func describe(issues *cel.Issues, request protoreflect.MessageDescriptor) []error {
	var all []error
	for _, issue := range issues.Errors() {
		message := issue.Message
		if request == nil && strings.Contains(message, "'request'") {
			message += ": without a schema there is no request, only identity"
		}
		all = append(all, fmt.Errorf("condition, line %d, column %d: %s", issue.Location.Line(), issue.Location.Column()+1, message))
	}
	return all
}
