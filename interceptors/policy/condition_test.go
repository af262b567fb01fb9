package policy_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// A program that compiles no conditions refuses each rule that has one, wherever
// the rule came from, and does not serve the method without it.
func TestAConditionWithoutAnEvaluatorIsAFault(t *testing.T) {
	t.Parallel()
	file := schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{
		"Plain":    nil,
		"Identity": schematest.Condition("identity.subject == 'user_ada'"),
		"Request":  schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}, Condition: "request.owner == identity.subject"}),
	})
	_, err := policy.New(policy.Files(file), policy.Override("/http/Handler", schematest.Condition("identity.subject == 'user_ada'")))
	var faults policy.RuleErrors
	if !errors.As(err, &faults) {
		t.Fatalf("error %v", err)
	}
	var named []string
	for _, fault := range faults {
		named = append(named, fault.Procedure)
		if !errors.Is(fault, policy.ErrNoEvaluator) {
			t.Errorf("%s: %v", fault.Procedure, fault.Err)
		}
	}
	if got, want := strings.Join(named, " "), schematest.Procedure("Identity")+" "+schematest.Procedure("Request")+" /http/Handler"; got != want {
		t.Errorf("faults of %s, want %s", got, want)
	}
	const remedy = "condition: this program does not evaluate conditions: pass condition.Evaluator() of package interceptors/policy/condition to policy.New"
	if policy.ErrNoEvaluator.Error() != remedy {
		t.Errorf("%v", policy.ErrNoEvaluator)
	}
}

func TestAMessageOfAnotherTypeIsOurOwnFailure(t *testing.T) {
	t.Parallel()
	file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition("request.owner == identity.subject")})
	rule := newPolicy(t, file).Rule(schematest.Procedure("M")).(auth.MessageRule)
	for _, message := range []any{nil, "text", &emptypb.Empty{}} {
		schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, message), auth.AuthFailure)
	}
}
