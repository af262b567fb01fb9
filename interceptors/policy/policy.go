package policy

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// A Policy holds the compiled rule of each procedure. It never changes and is
// safe for concurrent use. Make one with [New].
type Policy struct {
	rules   map[string]compiledRule
	entries []Entry
}

var _ auth.Policy = (*Policy)(nil)

// New compiles the rules of everything that the options name. Where anything is
// wrong its error is [RuleErrors], which names every procedure that has no rule or
// one that cannot hold, not just the first.
//
// The gRPC health and reflection services, where they are served, are public
// unless an option says otherwise.
func New(options ...Option) (*Policy, error) {
	b := newBuilder()
	for _, option := range options {
		option.apply(b)
	}
	return b.build()
}

// Rule returns the rule of the procedure, or nil when there is none.
func (p *Policy) Rule(procedure string) auth.Rule {
	if rule, ok := p.rules[procedure]; ok {
		return rule
	}
	return nil
}

// Scopes returns every OAuth scope that a rule asks for, sorted: the scopes_supported
// of RFC 9728. Those that a condition alone asks for are not among them.
func (p *Policy) Scopes() []string {
	var scopes []string
	for _, entry := range p.entries {
		scopes = append(scopes, entry.Rule.GetRequire().GetAllScopes()...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// An Entry is one procedure, its rule, and where the rule came from.
type Entry struct {
	// Procedure is such as /acme.invoice.v1.InvoiceService/GetInvoice.
	Procedure string
	// Rule as it was declared. One that replaces the schema's rule has the schema's
	// handler_requires. It must not be changed.
	Rule *policyv1.Rule
	// Origin is where Rule came from.
	Origin Origin
	// Method is the method's schema; nil for a name without one.
	Method protoreflect.MethodDescriptor
}

// Entries returns every procedure that has a rule, ordered by name: the matrix
// of who may call what. The built-in ones are among them.
func (p *Policy) Entries() []Entry {
	return append([]Entry(nil), p.entries...)
}
