package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

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
			service, err := linkedService(name)
			if err != nil {
				b.fault(name, Origin{}, err)
				continue
			}
			b.service(service)
		}
	})
}

func linkedService(name string) (protoreflect.ServiceDescriptor, error) {
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, errors.New("the schema of this service is not registered: import the package that was generated from it")
	}
	service, ok := descriptor.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s declares no service by that name, but something else", descriptor.ParentFile().Path())
	}
	return service, nil
}

// Linked adds every service whose schema is linked into the program and has a rule: its
// own, or one of a method. A method of such a service that has none is a fault, as ever.
// Services whose schemas know nothing of rules are left out, and so refused if they are
// served: give them theirs by [OverrideService].
func Linked() Option {
	return optionFunc(func(b *builder) {
		protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
			for i := range file.Services().Len() {
				if service := file.Services().Get(i); hasRules(service) {
					b.service(service)
				}
			}
			return true
		})
	})
}

// hasRules reports whether the schema of a service has any rule.
func hasRules(service protoreflect.ServiceDescriptor) bool {
	if proto.HasExtension(service.Options(), policyv1.E_DefaultRule) {
		return true
	}
	for i := range service.Methods().Len() {
		if proto.HasExtension(service.Methods().Get(i).Options(), policyv1.E_Rule) {
			return true
		}
	}
	return false
}

// Files adds every method of every service that the files declare, as Services
// does. The files need not be linked into the program: see package policydiff.
func Files(files ...protoreflect.FileDescriptor) Option {
	return optionFunc(func(b *builder) {
		for _, file := range files {
			for i := range file.Services().Len() {
				b.service(file.Services().Get(i))
			}
		}
	})
}

// Override gives a procedure its rule in Go: for a method whose schema cannot
// be changed, such as /acme.invoice.v1.InvoiceService/GetInvoice, and for a
// net/http handler, under a name of your choice. It wins over the schema's rule;
// of two overrides of one procedure the later wins. The schema's handler_requires
// stays, unless the rule has its own or is public. A method that
// a known service does not have is a fault.
//
// A condition can name request only where the procedure is a method whose
// schema is linked into the program.
func Override(procedure string, rule *policyv1.Rule) Option {
	return override(procedure, rule, Origin{Source: SourceGo})
}

// OverrideService gives every method of a service its rule in Go, as Override does: for
// a service of others, whose schema cannot be changed. The service must be linked into
// the program, or added by another option. An Override of one of its methods wins.
func OverrideService(name string, rule *policyv1.Rule) Option {
	return whole(rule, Origin{Source: SourceGo, Service: name})
}

// Configured gives a procedure its rule from a settings file, which is the file of
// the rule's [Origin]. It works like Override, and wins over it. A procedure that ends in
// /*, such as /acme.invoice.v1.InvoiceService/*, is every method of that service, as with
// OverrideService.
func Configured(file, procedure string, rule *policyv1.Rule) Option {
	origin := Origin{Source: SourceSettings, File: file}
	if name, all := strings.CutSuffix(procedure, "/*"); all {
		origin.Service = strings.TrimPrefix(name, "/")
		return whole(rule, origin)
	}
	return override(procedure, rule, origin)
}

func whole(rule *policyv1.Rule, origin Origin) Option {
	return optionFunc(func(b *builder) { b.whole = append(b.whole, declaration{rule: rule, origin: origin}) })
}

// Now sets the clock for the age of verifications. The default is time.Now, also where
// now is nil.
func Now(now func() time.Time) Option {
	return optionFunc(func(b *builder) {
		if b.now = now; now == nil {
			b.now = time.Now
		}
	})
}

func override(procedure string, rule *policyv1.Rule, origin Origin) Option {
	return optionFunc(func(b *builder) {
		if procedure == "" || strings.IndexByte(procedure, '/') > 0 {
			b.fault(procedure, origin, errors.New("not a method name; write /package.Service/Method"))
			return
		}
		b.declare(procedure, declaration{rule: rule, origin: origin})
	})
}

// An Evaluator compiles the conditions of one policy. condition.Enable of
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
