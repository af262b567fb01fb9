// Package condition evaluates the conditions of rules: expressions in the Common
// Expression Language (https://cel.dev) on a call's identity and its request.
// policy.proto says what a condition can name and what bounds its work.
//
// It links a compiler of several megabytes. A program whose rules have conditions
// asks for it:
//
//	rules, err := policy.New(policy.Services(name), condition.Evaluator())
//
// What a condition can name is in variables.go and claims.go. What it is charged for
// is in cost.go, strings.go and reading.go, and what is refused before it is done in
// bounded.go and message.go.
package condition

import "github.com/ostiary/ostiary/interceptors/policy"

// Evaluator is the option for [policy.New] by which rules can have conditions. It
// may be used for several policies, also concurrently.
func Evaluator() policy.Option {
	return policy.Conditions(func() policy.Evaluator { return new(compiler) })
}
