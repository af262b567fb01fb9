package policy

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A compiledRule decides about callers, and says how it would decide.
type compiledRule interface {
	auth.Rule
	explain(id *auth.Identity) Explanation
	unmeetable(issuers []auth.IssuerCapabilities) error
}

// rule is a rule that does not read the request. The zero value requires a valid
// token.
type rule struct {
	public        bool
	ignoreInvalid bool
	requirements  []requirement // in the order in which they are checked
	handler       string        // what the handler asks beside them, in words
	stream        auth.StreamTerms
}

var (
	_ auth.LenientRule = (*rule)(nil)
	_ auth.StreamRule  = (*rule)(nil)
)

// Check decides about a caller; nil is one without a token. What is missing is
// named in the cause, which only logs see.
func (r *rule) Check(id *auth.Identity) error {
	if id == nil {
		if r.public {
			return nil
		}
		return &auth.Error{Reason: auth.TokenMissing, Demand: r.scopes()}
	}
	for _, requirement := range r.requirements {
		if missing := requirement.unmet(id); missing != nil {
			return &auth.Error{Reason: requirement.reason(), Demand: demandOf(requirement, id), Cause: missing}
		}
	}
	return nil
}

// IgnoreInvalid implements auth.LenientRule.
func (r *rule) IgnoreInvalid() bool { return r.ignoreInvalid }

// Stream implements auth.StreamRule.
func (r *rule) Stream() auth.StreamTerms { return r.stream }

// messageRule is a rule that also has a condition on the request. It is a type of its
// own so that the Guard passes messages only to rules that read them.
type messageRule struct {
	*rule

	condition Condition
	text      string                // of the condition
	request   protoreflect.FullName // the type of message that it reads
}

var _ auth.MessageRule = (*messageRule)(nil)

// CheckMessage implements auth.MessageRule.
func (r *messageRule) CheckMessage(id *auth.Identity, message any) error {
	request, ok := message.(proto.Message)
	if !ok {
		return auth.Errorf(auth.AuthFailure, "the message is a %T, and no protobuf message", message)
	}
	if name := request.ProtoReflect().Descriptor().FullName(); name != r.request {
		return auth.Errorf(auth.AuthFailure, "the message is a %s, but the condition reads a %s", name, r.request)
	}
	if err := r.condition.Evaluate(id, request); err != nil {
		return auth.NewError(auth.ConditionNotMet, err)
	}
	return nil
}
