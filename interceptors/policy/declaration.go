package policy

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// An Origin is where a rule came from.
type Origin struct {
	Source Source
	// File is the .proto or the settings file; empty for other sources.
	File string
	// Line is the line in File, from 1; 0 where it is not known. Code that was
	// generated from a schema does not know its lines, an image of it does.
	Line int
	// Service is the service that the rule was given to as a whole, by OverrideService or
	// a name that ends in /*; empty for a rule of one method, and for the schema's.
	Service string
}

// String returns such as acme/invoice/v1/invoice.proto:12, or the source where
// there is no file.
func (o Origin) String() string {
	switch {
	case o.File == "":
		return o.Source.String()
	case o.Line == 0:
		return o.File
	default:
		return o.File + ":" + strconv.Itoa(o.Line)
	}
}

// A Source is a kind of place that rules come from. Where several give a rule
// for one procedure, the greatest wins.
type Source uint8

// The sources, the weakest first.
const (
	SourceNone     Source = iota // nobody gave a rule
	SourceBuiltIn                // this package, for health and reflection
	SourceService                // (ostiary.policy.v1.default_rule) of the service
	SourceMethod                 // (ostiary.policy.v1.rule) of the method
	SourceGo                     // Override
	SourceSettings               // Configured
)

var sourceNames = [...]string{"no rule", "built in", "service default", "method", "Go", "settings"}

// String returns the name for tables, such as service default.
func (s Source) String() string {
	if int(s) >= len(sourceNames) {
		return "unknown"
	}
	return sourceNames[s]
}

// A declaration is a rule and where it was found. The rule is nil if there is none.
type declaration struct {
	rule   *policyv1.Rule
	origin Origin
}

// Where options lie in the schema's own schema (descriptor.proto), for finding
// their line.
const (
	serviceOptionsField = 3 // ServiceDescriptorProto.options
	methodOptionsField  = 4 // MethodDescriptorProto.options
)

// DeclaredRule returns the entry of a method with the rule that its schema gives it:
// its own, or its service's. Its Rule is nil and its Source is SourceNone if there is
// neither. Its error is that the method's options cannot be read.
func DeclaredRule(method protoreflect.MethodDescriptor) (Entry, error) {
	d, err := declared(method)
	procedure := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	return Entry{Procedure: procedure, Rule: d.rule, Origin: d.origin, Method: method}, err
}

// declared returns the rule that the schema gives a method: its own, or its
// service's.
func declared(method protoreflect.MethodDescriptor) (declaration, error) {
	service := method.Parent()
	options := new(descriptorpb.MethodOptions)
	if err := convert(method.Options(), options); err != nil {
		return declaration{origin: locate(method, 0, SourceNone)}, err
	}
	if proto.HasExtension(options, policyv1.E_Rule) {
		rule, _ := proto.GetExtension(options, policyv1.E_Rule).(*policyv1.Rule)
		return declaration{rule, locate(method, methodOptionsField, SourceMethod)}, nil
	}
	defaults := new(descriptorpb.ServiceOptions)
	if err := convert(service.Options(), defaults); err != nil {
		return declaration{origin: locate(service, 0, SourceNone)}, err
	}
	if proto.HasExtension(defaults, policyv1.E_DefaultRule) {
		rule, _ := proto.GetExtension(defaults, policyv1.E_DefaultRule).(*policyv1.Rule)
		return declaration{rule, locate(service, serviceOptionsField, SourceService)}, nil
	}
	return declaration{origin: locate(method, 0, SourceNone)}, nil
}

// convert makes options that any reader of descriptors has made into those of
// this program, which know our extensions.
func convert(from protoreflect.ProtoMessage, to proto.Message) error {
	data, err := proto.Marshal(from)
	if err == nil {
		err = proto.Unmarshal(data, to)
	}
	if err != nil {
		return fmt.Errorf("its options cannot be read; does another extension use the number %d? %w", policyv1.E_Rule.TypeDescriptor().Number(), err)
	}
	return nil
}

// locate finds the line of the rule among the options of a method or service,
// or else of the method or service itself.
func locate(d protoreflect.Descriptor, optionsField int32, source Source) Origin {
	origin := Origin{Source: source, File: d.ParentFile().Path()}
	locations := d.ParentFile().SourceLocations()
	at := locations.ByDescriptor(d)
	if len(at.Path) == 0 {
		return origin // the file does not know its lines
	}
	origin.Line = at.StartLine + 1
	option := append(slices.Clone(at.Path), optionsField, int32(policyv1.E_Rule.TypeDescriptor().Number()))
	for i := range locations.Len() {
		l := locations.Get(i)
		if len(l.Path) >= len(option) && slices.Equal(l.Path[:len(option)], option) {
			origin.Line = l.StartLine + 1
			break
		}
	}
	return origin
}
