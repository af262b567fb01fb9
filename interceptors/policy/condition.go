package policy

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A condition is a compiled CEL expression. It is safe for concurrent use.
type condition struct {
	text    string
	program cel.Program
	request protoreflect.FullName // of the message that it reads; "" when it reads none
}

// evaluate returns nil when the condition is true, and otherwise why it is not.
// The message is nil for a condition that does not read it.
func (c *condition) evaluate(id *auth.Identity, message proto.Message) error {
	result, _, err := c.program.Eval(&variables{id, message})
	if err != nil {
		return fmt.Errorf("the condition %q failed: %w", c.text, err)
	}
	if result != types.True {
		return fmt.Errorf("the condition %q is false", c.text)
	}
	return nil
}

// variables are those of one evaluation.
type variables struct {
	identity *auth.Identity
	request  proto.Message
}

func (v *variables) ResolveName(name string) (any, bool) {
	switch name {
	case "identity":
		return v.identity, true
	case "request":
		return v.request, v.request != nil
	default:
		return nil, false
	}
}

func (v *variables) Parent() cel.Activation { return nil }
