package policy

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The limits of a condition.
const (
	conditionCost  = 100_000 // the work of one evaluation, in CEL's unit, a step; some milliseconds
	conditionSize  = 4096    // the text, in characters
	conditionDepth = 50      // how deep expressions nest
	conditionLoops = 2       // how deep loops nest
)

// A conditionCompiler compiles the conditions of one policy. The zero value is
// ready for use, by one goroutine.
type conditionCompiler struct {
	base *cel.Env // without request; nil until the first condition
}

// environment returns one in which request is the method's request message. Where
// method is nil there is no request.
//
// CEL takes a file that is linked into the program for any other of its path,
// so that conditions read the messages that handlers receive.
func (c *conditionCompiler) environment(method protoreflect.MethodDescriptor) (*cel.Env, error) {
	if c.base == nil {
		base, err := cel.NewEnv(append(identityOptions(),
			cel.DefaultUTCTimeZone(true),
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
		c.base = base
	}
	if method == nil {
		return c.base, nil
	}
	input := method.Input()
	options := []cel.EnvOption{cel.Variable("request", cel.ObjectType(string(input.FullName())))}
	for _, file := range withImports(input.ParentFile()) {
		options = append(options, cel.TypeDescs(file))
	}
	return c.base.Extend(options...)
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
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, describe(issues, method)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, problem("it is of type %s: write one that is true or false", ast.OutputType())
	}
	compiled := &condition{text: text}
	readsIdentity := false
	for _, reference := range ast.NativeRep().ReferenceMap() {
		switch {
		case reference.Name == "request" && method != nil:
			compiled.request = method.Input().FullName()
		case reference.Name == "identity":
			readsIdentity = true
		}
	}
	if compiled.request == "" && !readsIdentity {
		return nil, problem("it names neither identity nor request, and so is the same for every call")
	}
	estimate, err := env.EstimateCost(ast, unknownSizes{})
	if err != nil {
		return nil, problem("%w", err)
	}
	if estimate.Min > conditionCost {
		return nil, problem("it is too much work, whatever the request: at least %d steps, and the limit is %d", estimate.Min, conditionCost)
	}
	compiled.program, err = env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(callCosts{}), cel.CostLimit(conditionCost))
	if err != nil {
		return nil, problem("%w", err)
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

// unknownSizes estimates nothing: what a request holds is not known at start.
type unknownSizes struct{}

func (unknownSizes) EstimateSize(cost.AstNode) *cost.SizeEstimate { return nil }

func (unknownSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
