package policydiff

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// Terms are a rule as it is compared: what auth.Identity treats as the same name is
// spelled the same.
type terms struct {
	rule   *policyv1.Rule
	method protoreflect.MethodDescriptor // nil where there is no schema

	known  bool // whether this version knows every part
	usable bool // whether it says who may call

	kinds, roles, permissions, scopes, features, plans names

	condition  string                // canonical; "" for none
	expression *condition.Expression // nil for none, and for one that cannot be parsed
	read       *condition.Reads      // set by reads

	handler string

	stream       auth.StreamTerms
	streamFaults bool // whether the stream part is invalid
}

func termsOf(rule *policyv1.Rule, method protoreflect.MethodDescriptor) *terms {
	require := rule.GetRequire()
	stream, faults := ruleschema.StreamTerms(rule.GetStream())
	t := &terms{
		rule: rule, method: method,
		known: ruleschema.Known(rule.ProtoReflect()), usable: rule.GetAccess() != nil,
		kinds:        kindNames(require.GetKinds()),
		roles:        orgNames(require.GetAnyRole()),
		permissions:  orgNames(require.GetAllPermissions()),
		scopes:       namesOf(require.GetAllScopes()),
		features:     scopedNames(require.GetAnyFeature()),
		plans:        scopedNames(require.GetAnyPlan()),
		condition:    strings.TrimSpace(require.GetCondition()),
		handler:      strings.TrimSpace(rule.GetHandlerRequires()),
		stream:       stream,
		streamFaults: len(faults) > 0,
	}
	if expression, err := condition.Parse(t.condition); err == nil && t.condition != "" {
		t.expression, t.condition = expression, expression.String()
	}
	return t
}

// of returns the terms of a declaration, which are read once.
func (d *declaration) of() *terms {
	if d.terms == nil {
		d.terms = termsOf(d.Rule, d.Method)
	}
	return d.terms
}

// reads returns what the condition reads of the request, which is found once.
func (t *terms) reads() condition.Reads {
	if t.read == nil {
		read := t.expression.Reads(t.method.Input())
		t.read = &read
	}
	return *t.read
}
