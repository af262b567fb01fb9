// Package condition evaluates the conditions of rules: expressions in the Common
// Expression Language (https://cel.dev) on a call's identity and its request.
// policy.proto says what a condition can name and what bounds its work.
//
// It links a compiler of several megabytes. A program whose rules have conditions
// asks for it:
//
//	rules, err := policy.New(policy.Services(name), condition.Enable())
//
// What a condition can name is in variables.go and claims.go, and what is refused at
// start in check.go. How the work of a condition is limited is in cost.go, which
// charges for each call, in bounded.go, which refuses calls of too much work, and in
// message.go, which refuses requests before they are read.
package condition

import (
	"context"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/reads"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// Enable is the option for [policy.New] by which rules can have conditions. It
// may be used for several policies, also concurrently.
func Enable() policy.Option {
	return policy.Conditions(func() policy.Evaluator { return new(compiler) })
}

// A condition is a compiled CEL expression. It is safe for concurrent use.
type condition struct {
	text    string
	program cel.Program
	request bool         // whether it reads the request
	claims  bool         // whether it reads the claims
	loops   bool         // whether it reads the request and goes through lists or maps
	check   messageCheck // of each message, before it is read
}

// ReadsRequest implements policy.Condition.
func (c *condition) ReadsRequest() bool { return c.request }

// ReadsClaims implements policy.Condition.
func (c *condition) ReadsClaims() bool { return c.claims }

// Evaluate implements policy.Condition.
func (c *condition) Evaluate(id *auth.Identity, message proto.Message) error {
	if message != nil {
		if err := c.check.check(message.ProtoReflect()); err != nil {
			return fmt.Errorf("the condition %q failed: %.200s", c.text, err.Error())
		}
	}
	result, err := c.run(&variables{caller{Identity: id}, message})
	if err != nil {
		// CEL quotes values of the caller, which may be long.
		return fmt.Errorf("the condition %q failed: %.200s", c.text, err.Error())
	}
	if result != types.True {
		return fmt.Errorf("the condition %q is false", c.text)
	}
	return nil
}

// run evaluates the program. It stops a condition with loops after maxTime. The clock
// is checked only after each round of a loop, so it stops many cheap rounds, such as
// those that read a google.protobuf.Struct, and not one slow round: messageCheck,
// callCosts, bounded and matching bound the work of each call.
//
// A clock costs as much as most conditions do, so those without a loop have none.
func (c *condition) run(v *variables) (ref.Val, error) {
	if !c.loops {
		result, _, err := c.program.Eval(v)
		return result, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	result, _, err := c.program.ContextEval(ctx, v)
	return result, err
}

// variables are the variables of one evaluation.
type variables struct {
	identity caller
	request  proto.Message
}

func (v *variables) ResolveName(name string) (any, bool) {
	switch name {
	case reads.IdentityVariable:
		return &v.identity, true
	case reads.RequestVariable:
		return v.request, v.request != nil
	default:
		return nil, false
	}
}

func (v *variables) Parent() cel.Activation { return nil }
