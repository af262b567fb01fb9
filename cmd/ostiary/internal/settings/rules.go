package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/settings"
)

// RulesInForce returns the rules of a server with the settings in a YAML file;
// without a file, those of a server with no settings. The error is an *[Error] where
// the file is wrong, and a [policy.RuleErrors] where rules are.
func RulesInForce(path string) (*policy.Policy, error) {
	written, err := rulesIn(path)
	if err != nil {
		return nil, err
	}
	overrides, broken := readRules(path, written)
	rules, err := settings.Rules(overrides...)
	return sound(rules, broken, err)
}

// RulesOver returns the rules that the files of a schema declare, with those in a YAML
// file in their place, except for the ones of ostiary's own methods. The options are for
// [policy.New]. Without a YAML file they are the schema's alone. The error is as of
// RulesInForce.
func RulesOver(path string, files []protoreflect.FileDescriptor, options ...policy.Option) (*policy.Policy, error) {
	written, err := rulesIn(path)
	if err != nil {
		return nil, err
	}
	own, err := settings.Rules()
	if err != nil {
		return nil, err
	}
	for _, entry := range own.Entries() {
		if !declares(files, entry.Procedure) {
			delete(written, entry.Procedure)
			delete(written, serviceOf(entry.Procedure)+"*")
		}
	}
	overrides, broken := readRules(path, written)
	rules, err := policy.New(slices.Concat([]policy.Option{policy.Files(files...)}, options, overrides)...)
	if err == nil {
		for _, entry := range rules.Entries() {
			if entry.Origin.Source == policy.SourceSettings && !declares(files, entry.Procedure) {
				broken = append(broken, &policy.RuleError{
					Procedure: entry.Procedure, Origin: entry.Origin,
					Err: errors.New("the schema has no such method; correct the name, or build the image from the module that has it"),
				})
			}
		}
	}
	return sound(rules, broken, err)
}

// declares reports whether one of the files declares the service of a procedure.
func declares(files []protoreflect.FileDescriptor, procedure string) bool {
	name := protoreflect.FullName(strings.Trim(serviceOf(procedure), "/"))
	return slices.ContainsFunc(files, func(file protoreflect.FileDescriptor) bool {
		return name.Parent() == file.Package() && file.Services().ByName(name.Name()) != nil
	})
}

// serviceOf returns the name of a procedure up to its method.
func serviceOf(procedure string) string { return procedure[:strings.LastIndexByte(procedure, '/')+1] }

// rulesIn returns the rules in a YAML file by their names, as they are written. None are
// there without a file.
func rulesIn(path string) (map[string]any, error) {
	if path == "" {
		return nil, nil
	}
	faults := new(Error)
	values, err := readFile(path)
	if err != nil {
		faults.add("--"+configFlag, err)
		return nil, faults
	}
	written, err := asRules(values["rules"])
	if err != nil {
		faults.add("rules in "+path, err)
	}
	faults.addBadKeys(path, "", values, slices.Concat(keysOf(table()), fileOnly[:]))
	return written, faults.orNil()
}

// sound returns the rules unless some are broken, or err.
func sound(rules *policy.Policy, broken policy.RuleErrors, err error) (*policy.Policy, error) {
	var more policy.RuleErrors
	if err != nil && !errors.As(err, &more) {
		return nil, err
	}
	if broken = append(broken, more...); len(broken) > 0 {
		slices.SortStableFunc(broken, func(x, y *policy.RuleError) int { return strings.Compare(x.Procedure, y.Procedure) })
		return nil, broken
	}
	return rules, nil
}

// rules reads the rules in the YAML file.
func (l *Loaded) rules(value any) []policy.Option {
	written, err := asRules(value)
	l.Check("rules", err)
	rules, broken := readRules(l.option(configFlag), written)
	for _, fault := range broken {
		l.Check("rules["+fault.Procedure+"]", fault.Err)
	}
	return rules
}

func asRules(value any) (map[string]any, error) {
	written, ok := value.(map[string]any)
	if value != nil && !ok {
		return nil, errors.New("not a map; write one entry per method, such as /grpc.health.v1.Health/Watch: {authenticated: {}}")
	}
	return written, nil
}

// readRules reads the rules of a file, by procedure, each in protobuf's JSON
// form. It returns what is wrong with the form; the server checks what they say.
func readRules(file string, written map[string]any) ([]policy.Option, policy.RuleErrors) {
	var rules []policy.Option
	var broken policy.RuleErrors
	for _, procedure := range slices.Sorted(maps.Keys(written)) {
		rule, err := asRule(written[procedure])
		if err != nil {
			broken = append(broken, &policy.RuleError{Procedure: procedure, Origin: policy.Origin{Source: policy.SourceSettings, File: file}, Err: err})
			continue
		}
		rules = append(rules, policy.Configured(file, procedure, rule))
	}
	return rules, broken
}

func asRule(value any) (*policyv1.Rule, error) {
	parts, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("not a rule; write public: {}, authenticated: {}, or require: with its requirements")
	}
	encoded, err := json.Marshal(parts)
	if err != nil {
		return nil, errors.New("not a rule; it has a value that JSON cannot represent")
	}
	rule := new(policyv1.Rule)
	if part := noDuration(parts, rule.ProtoReflect().Descriptor()); part != "" {
		return nil, fmt.Errorf("%s is not a duration; write seconds with an s, such as 300s", part)
	}
	if err := protojson.Unmarshal(encoded, rule); err != nil {
		return nil, fmt.Errorf("%s; see docs/policy.md for the parts of a rule", protoPrefix.ReplaceAllString(err.Error(), ""))
	}
	if part := unsaid(parts, rule.ProtoReflect()); part != "" {
		return nil, fmt.Errorf("%s is empty, false or 0, so it requires nothing; give it a value or remove it (only public and authenticated may be {})", part)
	}
	return rule, nil
}

// noDuration returns a part that should be a duration and is not written as one in JSON.
// In the schema, the same is {seconds: 300}.
func noDuration(parts map[string]any, message protoreflect.MessageDescriptor) string {
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		field := fieldOf(message, name)
		if field == nil || field.Message() == nil || parts[name] == nil {
			continue
		}
		if field.Message().FullName() == "google.protobuf.Duration" {
			if written, ok := parts[name].(string); !ok || protojson.Unmarshal([]byte(strconv.Quote(written)), new(durationpb.Duration)) != nil {
				return name
			}
			continue
		}
		if inner, ok := parts[name].(map[string]any); ok {
			if part := noDuration(inner, field.Message()); part != "" {
				return name + "." + part
			}
		}
	}
	return ""
}

// fieldOf returns the field with a name, in either form of JSON; nil if there is none.
func fieldOf(message protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if field := message.Fields().ByJSONName(name); field != nil {
		return field
	}
	return message.Fields().ByTextName(name)
}

// unsaid returns a part that is named but requires nothing: it has no value, as when
// its lines were commented out, or a value that protobuf treats as absent, such as
// [], "" or false. The rule would require less than its author expects.
func unsaid(parts map[string]any, message protoreflect.Message) string {
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		field := fieldOf(message.Descriptor(), name)
		if field == nil || !message.Has(field) {
			return name
		}
		inner, ok := parts[name].(map[string]any)
		if !ok {
			continue
		}
		if len(inner) == 0 && field.ContainingOneof() == nil { // a member of a oneof says something by being there
			return name
		}
		if part := unsaid(inner, message.Get(field).Message()); part != "" {
			return name + "." + part
		}
	}
	return ""
}

// protoPrefix begins the errors of protobuf. It has a place in our encoding, which
// the operator never sees.
var protoPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]*(syntax error )?(\(line \d+:\d+\):[\s\x{a0}]*)?`)
