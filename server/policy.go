package server

import (
	"context"
	"strings"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// policyService implements PolicyService for both transports. Its rule asks for
// a token, so there is an identity in every context.
type policyService struct {
	rules     *policy.Policy
	operators operators
}

// ListRules implements both the connect and the grpc-go interface.
func (s *policyService) ListRules(context.Context, *accessv1.ListRulesRequest) (*accessv1.ListRulesResponse, error) {
	res := new(accessv1.ListRulesResponse)
	for _, entry := range s.rules.Entries() {
		res.Rules = append(res.Rules, &accessv1.MethodRule{
			Procedure: entry.Procedure,
			Access:    entry.Access(),
			Rule:      entry.Rule,
			Source:    sourceMessage(entry.Origin.Source),
		})
	}
	return res, nil
}

// Explain implements both the connect and the grpc-go interface.
func (s *policyService) Explain(ctx context.Context, req *accessv1.ExplainRequest) (*accessv1.ExplainResponse, error) {
	entries, asked := s.rules.Entries(), req.GetProcedures()
	if len(asked) > len(entries) { // an answer is far longer than a name
		return nil, rpcerror.Invalid("procedures", "%d are named, and there are %d; name each one once, or none for all", len(asked), len(entries))
	}
	if len(asked) == 0 {
		for _, entry := range entries {
			asked = append(asked, entry.Procedure)
		}
	}
	id := auth.MustFromContext(ctx)
	res := new(accessv1.ExplainResponse)
	for i, procedure := range asked {
		explanation, ok := s.explain(procedure, id)
		if !ok {
			return nil, rpcerror.Invalid("procedures", "the one at index %d has no rule; ListRules has all that do", i)
		}
		res.Explanations = append(res.Explanations, explanationMessage(procedure, explanation))
	}
	return res, nil
}

// explain adds to the policy's explanation what our own handlers require, where that is
// known before a call: an operator meets it everywhere, and anybody else never for the
// RevocationService.
func (s *policyService) explain(procedure string, id *auth.Identity) (policy.Explanation, bool) {
	explanation, ok := s.rules.Explain(procedure, id)
	for i := range explanation {
		step := &explanation[i]
		if !step.Handler {
			continue
		}
		step.Reason = auth.PermissionRequired // by which each of our handlers refuses
		switch {
		case s.operators.include(id):
			step.Outcome, step.Detail = policy.Met, ""
		case strings.HasPrefix(procedure, "/"+revocationv1connect.RevocationServiceName+"/"):
			step.Outcome, step.Detail = policy.Unmet, "needs an operator"
		}
	}
	return explanation, ok
}

// grpcPolicy is the service as grpc-go wants it. It does not embed
// Unimplemented…, so that a method that is missing here does not compile.
type grpcPolicy struct {
	accessv1.UnsafePolicyServiceServer
	*policyService
}

func explanationMessage(procedure string, explanation policy.Explanation) *accessv1.Explanation {
	message := &accessv1.Explanation{Procedure: procedure, Outcome: outcomeMessage(explanation.Outcome())}
	for _, step := range explanation {
		message.Checks = append(message.Checks, &accessv1.Check{
			Requirement: step.Requirement,
			Outcome:     outcomeMessage(step.Outcome),
			Reason:      step.Reason.String(),
			Detail:      step.Detail,
		})
	}
	return message
}

func outcomeMessage(outcome policy.Outcome) accessv1.Outcome {
	switch outcome {
	case policy.Met:
		return accessv1.Outcome_OUTCOME_MET
	case policy.Unmet:
		return accessv1.Outcome_OUTCOME_UNMET
	default:
		return accessv1.Outcome_OUTCOME_UNDECIDED
	}
}

func sourceMessage(source policy.Source) accessv1.Source {
	switch source {
	case policy.SourceBuiltIn:
		return accessv1.Source_SOURCE_BUILT_IN
	case policy.SourceService:
		return accessv1.Source_SOURCE_SERVICE
	case policy.SourceMethod:
		return accessv1.Source_SOURCE_METHOD
	case policy.SourceGo:
		return accessv1.Source_SOURCE_CODE
	case policy.SourceSettings:
		return accessv1.Source_SOURCE_SETTINGS
	default:
		return accessv1.Source_SOURCE_UNSPECIFIED
	}
}
