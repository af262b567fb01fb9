package policy

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// builtIn are the procedures of gRPC itself. They reveal nothing about a caller, and
// exist only where a server chooses to serve them.
var builtIn = [...]string{
	"/grpc.health.v1.Health/Check",
	"/grpc.health.v1.Health/List",
	"/grpc.health.v1.Health/Watch",
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}

// A builder collects the rules and faults of all options.
type builder struct {
	services map[string]protoreflect.ServiceDescriptor
	declared map[string]declaration
	whole    []declaration // of services, which their methods have where none of their own wins
	faults   RuleErrors

	evaluator Evaluator // nil where conditions are faults
	now       func() time.Time
}

func newBuilder() *builder {
	b := &builder{
		services: make(map[string]protoreflect.ServiceDescriptor),
		declared: make(map[string]declaration),
		now:      time.Now,
	}
	for _, procedure := range builtIn {
		b.declare(procedure, builtInDeclaration())
	}
	return b
}

func builtInDeclaration() declaration {
	public := &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}
	return declaration{rule: public, origin: Origin{Source: SourceBuiltIn}}
}

func (b *builder) fault(procedure string, origin Origin, err error) {
	b.faults = append(b.faults, &RuleError{Procedure: procedure, Origin: origin, Err: err})
}

// declare keeps the rule of the greater source; of two with one source that of the method
// itself, and otherwise the later.
func (b *builder) declare(procedure string, d declaration) {
	old, has := b.declared[procedure]
	weaker := d.origin.Source < old.origin.Source ||
		d.origin.Source == old.origin.Source && d.origin.Service != "" && old.origin.Service == ""
	if !has || !weaker {
		b.declared[procedure] = d
	}
}

// declareWhole declares the rules of whole services for each of their methods. It comes
// after all options, which may add the services in any order.
func (b *builder) declareWhole() {
	for _, d := range b.whole {
		name := d.origin.Service
		service := b.services[name]
		if service == nil && b.declareBuiltIn(d) {
			continue
		}
		if service == nil {
			var err error
			if service, err = linkedService(name); err != nil {
				if d.origin.Source == SourceSettings { // the author of settings imports nothing
					err = errors.New("no such service is known; correct the name, or add the schema that declares it")
				}
				b.fault("/"+name+"/*", d.origin, err)
				continue
			}
		}
		for i := range service.Methods().Len() {
			b.declare("/"+name+"/"+string(service.Methods().Get(i).Name()), d)
		}
	}
}

// declareBuiltIn declares the rule of a whole service for those of its methods that are
// built in, and reports whether there are any. Its schema need not be linked: connect-go's
// packages for health and reflection have their own.
func (b *builder) declareBuiltIn(d declaration) (found bool) {
	for _, procedure := range builtIn {
		if strings.HasPrefix(procedure, "/"+d.origin.Service+"/") {
			b.declare(procedure, d)
			found = true
		}
	}
	return found
}

func (b *builder) service(service protoreflect.ServiceDescriptor) {
	b.services[string(service.FullName())] = service
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		d, err := declared(method)
		procedure := "/" + string(service.FullName()) + "/" + string(method.Name())
		if err != nil {
			b.fault(procedure, d.origin, err)
			continue
		}
		b.declare(procedure, d)
	}
}

// method finds the schema of a procedure: that of a service that was added, or
// of one that is linked into the program. It reports whether the procedure can
// exist: not where its service is known and has no such method.
func (b *builder) method(procedure string) (protoreflect.MethodDescriptor, bool) {
	name, method, isMethod := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	if !isMethod {
		return nil, true
	}
	service := b.services[name]
	if service == nil {
		descriptor, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		service, _ = descriptor.(protoreflect.ServiceDescriptor)
	}
	if service == nil {
		return nil, true
	}
	found := service.Methods().ByName(protoreflect.Name(method))
	return found, found != nil
}

// withHandler returns the rule, with the schema's handler_requires if another source
// replaced the schema's rule: the handler is still the same.
func withHandler(d declaration, method protoreflect.MethodDescriptor) *policyv1.Rule {
	if method == nil || d.origin.Source <= SourceMethod || d.rule == nil || d.rule.GetPublic() != nil || d.rule.GetHandlerRequires() != "" {
		return d.rule
	}
	own, err := declared(method)
	if err != nil || own.rule.GetHandlerRequires() == "" {
		return d.rule
	}
	rule := proto.CloneOf(d.rule)
	rule.HandlerRequires = own.rule.GetHandlerRequires()
	return rule
}

// A shownProblem is one that the rule of a whole service has with several of its methods,
// and that is shown for the first of them alone.
type shownProblem struct {
	origin Origin
	text   string
}

func (b *builder) build() (*Policy, error) {
	b.declareWhole()
	p := &Policy{rules: make(map[string]compiledRule, len(b.declared))}
	repeated := make(map[shownProblem]bool)
	for _, procedure := range slices.Sorted(maps.Keys(b.declared)) {
		d := b.declared[procedure]
		method, possible := b.method(procedure)
		if !possible && d.origin.Source > SourceMethod {
			b.fault(procedure, d.origin, errors.New("the service has no such method: correct the name, so that the rule applies to something"))
			continue
		}
		d.rule = withHandler(d, method)
		rule, problems := compile(d.rule, method, b.evaluator, b.now)
		for _, problem := range problems {
			if shown := (shownProblem{d.origin, problem.Error()}); d.origin.Service == "" || !repeated[shown] {
				repeated[shown] = true
				b.fault(procedure, d.origin, problem)
			}
		}
		p.rules[procedure] = rule
		p.entries = append(p.entries, Entry{Procedure: procedure, Rule: d.rule, Origin: d.origin, Method: method})
	}
	if len(b.faults) > 0 {
		slices.SortStableFunc(b.faults, func(x, y *RuleError) int { return strings.Compare(x.Procedure, y.Procedure) })
		return nil, b.faults
	}
	return p, nil
}
