package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server"
)

// rulesInForce returns those of a server with the settings in the YAML file;
// without a file those of a server that is told nothing. Where they are not in
// order the error is a policy.RuleErrors.
func rulesInForce(config string) (*policy.Policy, error) {
	if config == "" {
		return server.Rules()
	}
	wrong := new(faults)
	source, err := readConfigFile(config)
	if err != nil {
		wrong.add("--config", err)
		return nil, wrong
	}
	written, err := asRules(source.Get("rules"))
	if err != nil {
		wrong.add("rules in "+config, err)
	}
	wrong.refuseUnknown(config, "", source.Raw(), append(keysOf(table()), fileOnly[:]...))
	if err := wrong.orNil(); err != nil {
		return nil, err
	}
	overrides, broken := readRules(config, written)
	rules, err := server.Rules(overrides...)
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

func asRules(value any) (map[string]any, error) {
	written, ok := value.(map[string]any)
	if value != nil && !ok {
		return nil, errors.New("not a map; write one entry per method, such as /grpc.health.v1.Health/Watch: {authenticated: {}}")
	}
	return written, nil
}

// readRules reads rules that the file has by procedure, each in the form that
// protobuf has in JSON. What is wrong with the form is returned; the server
// judges what they say.
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
	if err := protojson.Unmarshal(encoded, rule); err != nil {
		return nil, fmt.Errorf("%s; see docs/policy.md for the parts of a rule", protoPrefix.ReplaceAllString(err.Error(), ""))
	}
	if part := unsaid(parts, rule.ProtoReflect()); part != "" {
		return nil, fmt.Errorf("%s is empty, false or 0, so it requires nothing; give it a value or remove it (only public and authenticated may be {})", part)
	}
	return rule, nil
}

// unsaid returns a part that is named and yet says nothing: it has no value, as
// when what followed its name was taken out, or one that protobuf does not tell
// from a part which is not there, such as [], "" or false. The rule would ask for
// less than whoever wrote it believes.
func unsaid(parts map[string]any, message protoreflect.Message) string {
	fields := message.Descriptor().Fields()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		field := fields.ByJSONName(name)
		if field == nil {
			field = fields.ByTextName(name)
		}
		if field == nil || !message.Has(field) {
			return name
		}
		inner, ok := parts[name].(map[string]any)
		if !ok {
			continue
		}
		if len(inner) == 0 && field.ContainingOneof() == nil { // where it chooses, it says something by itself
			return name
		}
		if part := unsaid(inner, message.Get(field).Message()); part != "" {
			return name + "." + part
		}
	}
	return ""
}

// protoPrefix begins the errors of protobuf, with a place in what we encoded and
// the operator never saw.
var protoPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]*(syntax error )?(\(line \d+:\d+\):[\s\x{a0}]*)?`)
