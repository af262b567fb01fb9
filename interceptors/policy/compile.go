package policy

import (
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// compile returns the rule, or everything that is wrong with it. The method is
// nil for a procedure without a schema.
func compile(r *policyv1.Rule, method protoreflect.MethodDescriptor, evaluator Evaluator, now func() time.Time) (compiledRule, []error) {
	if r == nil {
		return nil, []error{ErrNoRule}
	}
	if !ruleschema.Known(r.ProtoReflect()) {
		return nil, []error{errors.New("the rule has a part that this version does not know: update the server, so that nothing is left unenforced")}
	}
	stream, problems := ruleschema.StreamTerms(r.GetStream())
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
		c := requireCompiler{evaluator: evaluator, now: now, method: method, rule: rule{stream: stream, handler: handler}, problems: problems}
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
