package policy

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// compile returns the rule, or everything that is wrong with it. The method is
// nil for a procedure without a schema.
func compile(r *policyv1.Rule, method protoreflect.MethodDescriptor, conditions *conditionCompiler) (compiledRule, []error) {
	if r == nil {
		return nil, []error{ErrNoRule}
	}
	if !known(r.ProtoReflect()) {
		return nil, []error{errors.New("the rule has a part that this version does not know: update the server, so that nothing is left unenforced")}
	}
	stream, problems := compileStream(r.GetStream())
	handler, err := handlerRequires(r)
	if err != nil {
		problems = append(problems, err)
	}
	switch access := r.GetAccess().(type) {
	case *policyv1.Rule_Public:
		return &rule{public: true, ignoreInvalid: access.Public.GetIgnoreInvalid(), stream: stream}, problems
	case *policyv1.Rule_Authenticated:
		return &rule{stream: stream, handler: handler}, problems
	case *policyv1.Rule_Require:
		c := requireCompiler{conditions: conditions, method: method, rule: rule{stream: stream, handler: handler}, problems: problems}
		return c.compile(access.Require), c.problems
	default:
		return nil, append(problems, errors.New("the rule is empty: set one of public, authenticated or require"))
	}
}

// handlerRequires returns what the handler asks of callers, without spaces around
// it; "" for nothing.
func handlerRequires(r *policyv1.Rule) (string, error) {
	asked := strings.TrimSpace(r.GetHandlerRequires())
	switch {
	case r.GetHandlerRequires() == "":
		return "", nil
	case asked == "":
		return "", errors.New("handler_requires: it is blank: say what the handler asks of the caller, or leave it out")
	case r.GetPublic() != nil:
		return "", errors.New("handler_requires: anybody may call a public method, and nothing is asked of them: use authenticated or require, or leave it out")
	default:
		return asked, nil
	}
}

// known reports whether this version knows every part of a rule, and each value
// of an enum.
func known(m protoreflect.Message) bool {
	all := len(m.GetUnknown()) == 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		all = all && knownPart(field, value)
		return all
	})
	return all
}

// knownPart is known of one field. No part of a rule is a map or a list of messages.
func knownPart(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
	switch {
	case field.Message() != nil:
		return known(value.Message())
	case field.Enum() == nil:
		return true
	case !field.IsList():
		return field.Enum().Values().ByNumber(value.Enum()) != nil
	}
	for i := range value.List().Len() {
		if field.Enum().Values().ByNumber(value.List().Get(i).Enum()) == nil {
			return false
		}
	}
	return true
}
