package policy

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

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
