package policy

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
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

// Entry returns the entry of a procedure.
func (p *Policy) Entry(procedure string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(p.entries, procedure, func(e Entry, name string) int { return strings.Compare(e.Procedure, name) })
	if !ok {
		return Entry{}, false
	}
	return p.entries[i], true
}

// A compiledRule decides about callers, and says how it would decide.
type compiledRule interface {
	auth.Rule
	explain(id *auth.Identity) Explanation
	unmeetable(issuers []auth.IssuerCapabilities) error
}

// rule is a rule that does not read the request. The zero value requires a valid
// token.
type rule struct {
	public        bool
	ignoreInvalid bool
	requirements  []requirement // in the order in which they are checked
	handler       string        // what the handler asks beside them, in words
	stream        auth.StreamTerms
}

var (
	_ auth.LenientRule = (*rule)(nil)
	_ auth.StreamRule  = (*rule)(nil)
)

// Check decides about a caller; nil is one without a token. What is missing is
// named in the cause, which only logs see.
func (r *rule) Check(id *auth.Identity) error {
	if id == nil {
		if r.public {
			return nil
		}
		return &auth.Error{Reason: auth.TokenMissing, Demand: r.scopes()}
	}
	for _, requirement := range r.requirements {
		if missing := requirement.unmet(id); missing != nil {
			return &auth.Error{
				Reason: requirement.reason(), Demand: demandOf(requirement, id), Cause: compared(requirement, id, missing), Requirement: requirement.String(),
			}
		}
	}
	return nil
}

// IgnoreInvalid implements auth.LenientRule.
func (r *rule) IgnoreInvalid() bool { return r.ignoreInvalid }

// Stream implements auth.StreamRule.
func (r *rule) Stream() auth.StreamTerms { return r.stream }

// messageRule is a rule that also has a condition on the request. It is a type of its
// own so that the Guard passes messages only to rules that read them.
type messageRule struct {
	*rule

	condition Condition
	text      string                // of the condition
	request   protoreflect.FullName // the type of message that it reads
}

var _ auth.MessageRule = (*messageRule)(nil)

// CheckMessage implements auth.MessageRule.
func (r *messageRule) CheckMessage(id *auth.Identity, message any) error {
	request, ok := message.(proto.Message)
	if !ok {
		return auth.Errorf(auth.AuthFailure, "the message is a %T, and no protobuf message", message)
	}
	if name := request.ProtoReflect().Descriptor().FullName(); name != r.request {
		return auth.Errorf(auth.AuthFailure, "the message is a %s, but the condition reads a %s", name, r.request)
	}
	if err := r.condition.Evaluate(id, request); err != nil {
		return &auth.Error{Reason: auth.ConditionNotMet, Cause: err, Requirement: conditionInWords(r.text)}
	}
	return nil
}
