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
// names it.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// A Policy holds the compiled rule of each procedure. It never changes and is
// safe for concurrent use. Make one with [New].
type Policy struct {
	rules map[string]*rule
}

var _ auth.Policy = (*Policy)(nil)

// An Option adds procedures to a Policy.
type Option interface{ apply(*builder) }

type optionFunc func(*builder)

func (f optionFunc) apply(b *builder) { f(b) }

// Services adds every method of the named services, such as
// acme.invoice.v1.InvoiceService, with the rules that their schema carries.
// Generated code that is linked into the program registers its schema by
// itself; a name that nobody registered is a fault.
func Services(names ...string) Option {
	return optionFunc(func(b *builder) {
		for _, name := range names {
			b.service(name)
		}
	})
}

// Procedure gives a procedure its rule in Go: for a net/http handler, under a
// name of your choice, and for a method whose schema cannot be changed. It wins
// over the schema's rule.
func Procedure(name string, rule *policyv1.Rule) Option {
	return optionFunc(func(b *builder) { b.overrides[name] = rule })
}

// New compiles the rules of everything that the options name. Its error names
// every procedure that has no rule or one that cannot hold, not just the first.
//
// The gRPC health and reflection services, where they are served, are public
// unless a Procedure option says otherwise.
func New(options ...Option) (*Policy, error) {
	b := builder{
		found:     make(map[string]found),
		overrides: make(map[string]*policyv1.Rule),
	}
	for _, option := range options {
		option.apply(&b)
	}
	for _, procedure := range infrastructure {
		b.found[procedure] = found{rule: &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}}
	}
	for procedure, rule := range b.overrides {
		b.found[procedure] = found{rule: rule}
	}
	p := &Policy{rules: make(map[string]*rule, len(b.found))}
	for _, procedure := range slices.Sorted(maps.Keys(b.found)) {
		f := b.found[procedure]
		compiled, err := compile(f.rule)
		if err != nil {
			b.faults = append(b.faults, fmt.Errorf("%s%s: %w", procedure, f.where(), err))
			continue
		}
		p.rules[procedure] = compiled
	}
	if err := errors.Join(b.faults...); err != nil {
		return nil, err
	}
	return p, nil
}

// Rule returns the rule of the procedure, or nil when there is none.
func (p *Policy) Rule(procedure string) auth.Rule {
	if r := p.rules[procedure]; r != nil {
		return r
	}
	return nil
}

// infrastructure are the procedures of gRPC itself. They tell nothing of any
// caller, and are reached only where a server chooses to serve them.
var infrastructure = [...]string{
	"/grpc.health.v1.Health/Check",
	"/grpc.health.v1.Health/List",
	"/grpc.health.v1.Health/Watch",
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}

// found is a rule and the method whose schema it was found in.
type found struct {
	rule   *policyv1.Rule
	method protoreflect.MethodDescriptor // nil for a rule given in Go
}

func (f found) where() string {
	if f.method == nil {
		return ""
	}
	return " (" + f.method.ParentFile().Path() + ")"
}

type builder struct {
	found     map[string]found
	overrides map[string]*policyv1.Rule
	faults    []error
}

func (b *builder) service(name string) {
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		b.faults = append(b.faults, fmt.Errorf("service %s: its schema is not registered: import the package that was generated from it", name))
		return
	}
	service, ok := descriptor.(protoreflect.ServiceDescriptor)
	if !ok {
		b.faults = append(b.faults, fmt.Errorf("service %s: %s declares something else by that name", name, descriptor.ParentFile().Path()))
		return
	}
	fallback, _ := option(service, policyv1.E_DefaultRule)
	methods := service.Methods()
	for i := range methods.Len() {
		method := methods.Get(i)
		own, has := option(method, policyv1.E_Rule)
		if !has {
			own = fallback
		}
		b.found["/"+name+"/"+string(method.Name())] = found{rule: own, method: method}
	}
}

// option returns the rule that an extension of the descriptor's options holds.
func option(d protoreflect.Descriptor, extension protoreflect.ExtensionType) (*policyv1.Rule, bool) {
	if !proto.HasExtension(d.Options(), extension) {
		return nil, false
	}
	rule, ok := proto.GetExtension(d.Options(), extension).(*policyv1.Rule)
	return rule, ok
}
