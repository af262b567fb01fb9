package policy

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// An Evaluator compiles the conditions of one policy. condition.Evaluator of
// package interceptors/policy/condition is the option that sets one.
type Evaluator interface {
	// Compile checks a condition against the method's request, and returns it or
	// everything that is wrong with it. The request is nil for a procedure without a
	// schema. Compile is called by one goroutine.
	Compile(text string, request protoreflect.MessageDescriptor) (Condition, []error)
}

// A Condition is a compiled condition. It is safe for concurrent use.
type Condition interface {
	// ReadsRequest reports whether Evaluate needs the request.
	ReadsRequest() bool
	// ReadsClaims reports whether Evaluate reads claims that are no field of the
	// identity.
	ReadsClaims() bool
	// Evaluate returns nil if the condition is true, and otherwise why it is not. The
	// request is nil for a condition that does not read it, and otherwise of the type
	// that the condition was compiled for.
	Evaluate(id *auth.Identity, request proto.Message) error
}

// Conditions sets what compiles the conditions of rules. Each call of [New] makes
// its own evaluator. Without this option a rule with a condition is a fault,
// [ErrNoEvaluator], so that a program links the condition language only if it uses
// it.
func Conditions(newEvaluator func() Evaluator) Option {
	return optionFunc(func(b *builder) { b.evaluator = newEvaluator() })
}

// A conditionRequirement is a condition that does not read the request: a
// requirement like any other.
type conditionRequirement struct {
	text string
	Condition
}

func (conditionRequirement) reason() auth.Reason { return auth.ConditionNotMet }
func (c conditionRequirement) String() string    { return conditionInWords(c.text) }

func (c conditionRequirement) unmet(id *auth.Identity) error { return c.Evaluate(id, nil) }

func conditionInWords(text string) string { return "the condition " + text }
