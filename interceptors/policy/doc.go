// Package policy reads who may call a method from the .proto that declares it.
//
// The rule is an option on the method, or on its service for every method that
// has none (proto/ostiary/policy/v1/policy.proto says what a rule can hold).
// [New] compiles the rules of the services that a server registers, once:
//
//	rules, err := policy.New(policy.Services(invoicev1connect.InvoiceServiceName))
//	guard := &auth.Guard{Authenticator: verifier, Policy: rules}
//
// A method without a rule is denied before it is ever served: New fails and
// names it, as it does a rule that nobody can meet and a condition that does
// not compile. For a schema that cannot be changed, and for net/http handlers,
// [Override] gives the rule in Go and [Configured] from a settings file.
//
// A rule may have a condition. The language of conditions is in a package of its
// own, which a program links only if it asks for it:
//
//	rules, err := policy.New(policy.Services(name), condition.Enable())
//
// Of a compiled [Policy], Entries returns every rule and where it came from, and
// Explain says check by check what a caller has and lacks. [Files] reads the rules
// of a schema that is not linked into the program. Package policydiff reads schema
// images and compares them.
package policy
