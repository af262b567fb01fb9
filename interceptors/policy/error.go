package policy

import (
	"errors"
	"strings"
)

// ErrNoRule is what is wrong with a method to which nothing gives a rule.
var ErrNoRule = errors.New("no rule: set (ostiary.policy.v1.rule) on the method or (ostiary.policy.v1.default_rule) on its service")

// ErrNoEvaluator is what is wrong with a rule that has a condition in a program
// that compiles none; see [Conditions].
var ErrNoEvaluator = errors.New("condition: this program does not evaluate conditions: pass condition.Enable() of package interceptors/policy/condition to policy.New, or as one of the Rules of ostiary.Config")

// A RuleError is one thing that is wrong with the rule of one procedure.
type RuleError struct {
	// Procedure that the rule is for; the name of a service where all of it is
	// concerned, as /acme.invoice.v1.InvoiceService/* where that is how its rule is
	// given.
	Procedure string
	// Origin of the rule; where there is none, the file and line of the method.
	Origin Origin
	// Err says what is wrong, and the remedy.
	Err error
}

// Error returns the procedure, where its rule is, and what is wrong with it.
func (e *RuleError) Error() string {
	if e.Origin.File == "" {
		return e.Procedure + ": " + e.Err.Error()
	}
	return e.Procedure + " (" + e.Origin.String() + "): " + e.Err.Error()
}

// Unwrap returns Err.
func (e *RuleError) Unwrap() error { return e.Err }

// RuleErrors is everything that is wrong with a policy, ordered by procedure.
type RuleErrors []*RuleError

// Error returns one line for each problem.
func (e RuleErrors) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each problem as an error.
func (e RuleErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i, problem := range e {
		all[i] = problem
	}
	return all
}
