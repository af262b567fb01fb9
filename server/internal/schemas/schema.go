// Package schemas knows the schemas of other servers, and the rules in them: from images, or
// from the servers themselves, which it asks again and again by gRPC reflection.
//
//	schema, err := schemas.ReadImage("billing.binpb", time.Now)
//	set := schemas.NewSet(schemas.Options{Now: time.Now, Log: log, Changed: show})
//	set.Replace([]schemas.Backend{{Name: "billing", Reflection: "https://billing.example.com"}})
//	set.Run(ctx)
//
// A schema is whatever its server sends. Its size is bounded before it is decoded, and one that
// cannot be used is an error.
package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// A Schema is the API of a backend. It never changes.
type Schema struct {
	// Files is an encoded google.protobuf.FileDescriptorSet of the files that declare the
	// services, and of all that they import.
	Files []byte
	// Services are the full names of the services, sorted.
	Services []string
	// Digest identifies the Files and the Services.
	Digest string
	// Methods are those of the services that have a rule of the schema, or none, ordered by
	// procedure. Health and reflection are not among them. It is empty where there is a RulesErr.
	Methods []policy.Entry
	// Rules are those of the Methods that have one.
	Rules *policy.Policy
	// RulesErr is why the rules of the schema cannot be used.
	RulesErr error

	sent [sha256.Size]byte // identifies what the server has sent for it
}

// ReadImage reads the schema in a file that buf build -o has made. Its rules must be usable.
func ReadImage(path string, now func() time.Time) (*Schema, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file; name one that buf build -o has made", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	defer func() { _ = file.Close() }()
	files, err := policydiff.ReadImageFrom(file, path)
	if err != nil {
		return nil, err
	}
	schema, err := newSchema(files, nil, now)
	if err == nil && schema.RulesErr != nil {
		err = fmt.Errorf("%w; for details run ostiary policy check --image %s", schema.RulesErr, path)
	}
	return schema, err
}

// newSchema makes the schema of the services with these names, or of all that the files declare.
func newSchema(files []protoreflect.FileDescriptor, names []string, now func() time.Time) (*Schema, error) {
	services := make(map[string]protoreflect.ServiceDescriptor)
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			services[string(service.FullName())] = service
		}
	}
	schema := new(Schema)
	methods := 0
	all := names == nil
	for _, file := range files {
		for i := range file.Services().Len() {
			if name := string(file.Services().Get(i).FullName()); all || slices.Contains(names, name) {
				schema.Services = append(schema.Services, name)
				methods += file.Services().Get(i).Methods().Len()
			}
		}
	}
	if methods > maxMethods {
		return nil, fmt.Errorf("the schema has %d methods; at most %d are shown: make an image of the modules that are of interest", methods, maxMethods)
	}
	slices.Sort(schema.Services)
	for _, name := range names {
		if services[name] == nil {
			return nil, fmt.Errorf("no file of the schema declares the service %s, which the server lists", name)
		}
	}
	var used []protoreflect.FileDescriptor
	for _, name := range schema.Services {
		used = append(used, services[name].ParentFile())
	}
	if err := schema.encode(used); err != nil {
		return nil, err
	}
	schema.readRules(used, now)
	return schema, nil
}

// encode sets Files and Digest.
func (s *Schema) encode(files []protoreflect.FileDescriptor) error {
	set := new(descriptorpb.FileDescriptorSet)
	added := make(map[string]bool)
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) { // what it imports comes before it
		if file.IsPlaceholder() || added[file.Path()] {
			return
		}
		added[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		encoded := protodesc.ToFileDescriptorProto(file)
		encoded.SourceCodeInfo = nil
		set.File = append(set.File, encoded)
	}
	for _, file := range files {
		add(file)
	}
	var err error
	if s.Files, err = (proto.MarshalOptions{Deterministic: true}).Marshal(set); err != nil {
		return fmt.Errorf("encode the schema: %w", err)
	}
	if len(s.Files) > maxMessage-64<<10 { // and their names
		return fmt.Errorf("the schema has %d KiB; at most %d MiB are shown: make an image of the modules that are of interest", len(s.Files)>>10, maxMessage>>20)
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "%q\n", s.Services)
	_, _ = digest.Write(s.Files) // never fails
	s.Digest = hex.EncodeToString(digest.Sum(nil))
	return nil
}

// readRules sets Methods and Rules, or RulesErr. A method without a rule in the schema may have
// one in its program, or be guarded by something else.
func (s *Schema) readRules(files []protoreflect.FileDescriptor, now func() time.Time) {
	options := []policy.Option{policy.Files(distinct(files)...), condition.Enable(), policy.Now(now)}
	rules, err := policy.New(options...)
	var faults policy.RuleErrors
	if errors.As(err, &faults) {
		for _, fault := range faults {
			if errors.Is(fault, policy.ErrNoRule) {
				options = append(options, policy.Override(fault.Procedure, noRule))
			}
		}
		rules, err = policy.New(options...)
	}
	if err != nil {
		s.RulesErr = err
		return
	}
	s.Rules = rules
	for _, entry := range rules.Entries() {
		if entry.Origin.Source == policy.SourceBuiltIn || entry.Method == nil || !slices.Contains(s.Services, string(entry.Method.Parent().FullName())) {
			continue
		}
		if entry.Origin.Source == policy.SourceGo {
			entry.Rule = nil
		}
		s.Methods = append(s.Methods, entry)
	}
}

// noRule stands for the rule of a method whose schema has none. Nobody is let in by it.
var noRule = &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}

func distinct(files []protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	var all []protoreflect.FileDescriptor
	seen := make(map[string]bool)
	for _, file := range files {
		if !seen[file.Path()] {
			seen[file.Path()] = true
			all = append(all, file)
		}
	}
	return all
}
