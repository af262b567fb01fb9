// Buf-plugin-ostiary makes buf lint ask for a rule on every RPC:
//
//	# buf.yaml
//	lint:
//	  use: [STANDARD, OSTIARY]
//	plugins:
//	  - plugin: buf-plugin-ostiary
//
// Install it with
//
//	go install github.com/ostiary/ostiary/cmd/buf-plugin-ostiary@latest
//
// It finds what a server would not start with, while the schema is being
// written: a method without a rule, and a rule that cannot hold.
//
// It is a module of its own, so that what buf's plugins need is no part of what
// users of the library download.
package main

import (
	"context"
	"errors"

	"buf.build/go/bufplugin/check"
	"buf.build/go/bufplugin/info"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

const (
	category     = "OSTIARY"
	ruleRequired = "OSTIARY_RULE_REQUIRED"
	ruleValid    = "OSTIARY_RULE_VALID"
)

func main() { check.Main(spec()) }

func spec() *check.Spec {
	return &check.Spec{
		Info: &info.Spec{
			Documentation: "Checks the rules of github.com/ostiary/ostiary: who may call each RPC.",
			SPDXLicenseID: "apache-2.0",
			LicenseURL:    "https://www.apache.org/licenses/LICENSE-2.0",
		},
		Categories: []*check.CategorySpec{
			{ID: category, Purpose: "Checks the rules that say who may call each RPC."},
		},
		Rules: []*check.RuleSpec{
			{
				ID:          ruleRequired,
				CategoryIDs: []string{category},
				Default:     true,
				Purpose:     "Checks that every RPC has a rule, its own or its service's default.",
				Type:        check.RuleTypeLint,
				Handler:     find(func(fault error) bool { return errors.Is(fault, policy.ErrNoRule) }),
			},
			{
				ID:          ruleValid,
				CategoryIDs: []string{category},
				Default:     true,
				Purpose:     "Checks that every rule can hold: its names, and its condition against the request.",
				Type:        check.RuleTypeLint,
				Handler:     find(func(fault error) bool { return !errors.Is(fault, policy.ErrNoRule) }),
			},
		},
	}
}

// find reports the faults of a kind, each at its method.
func find(isOfKind func(error) bool) check.RuleHandler {
	return check.RuleHandlerFunc(func(_ context.Context, w check.ResponseWriter, request check.Request) error {
		var own []protoreflect.FileDescriptor
		for _, file := range request.FileDescriptors() {
			if !file.IsImport() {
				own = append(own, file.ProtoreflectFileDescriptor())
			}
		}
		methods := methodsOf(own)
		_, err := policy.New(policy.Files(own...), condition.Enable())
		var faults policy.RuleErrors
		if err != nil && !errors.As(err, &faults) {
			return err
		}
		for _, fault := range faults {
			if isOfKind(fault) {
				w.AddAnnotation(check.WithDescriptor(methods[fault.Procedure]), check.WithMessagef("%s: %v", fault.Procedure, fault.Err))
			}
		}
		return nil
	})
}

// methodsOf finds the methods by procedure.
func methodsOf(files []protoreflect.FileDescriptor) map[string]protoreflect.Descriptor {
	methods := make(map[string]protoreflect.Descriptor)
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				methods["/"+string(service.FullName())+"/"+string(method.Name())] = method
			}
		}
	}
	return methods
}
