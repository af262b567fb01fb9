package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/status/v1/statusv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// accessService implements AccessService for both transports. Its rule asks for
// a token, so there is an identity in every context.
type accessService struct {
	rules       *policy.Policy
	elsewhere   *policy.Policy // of the services whose schemas the settings name; nil without any
	operators   operators
	followers   followers
	methodRules []*accessv1.MethodRule // ordered by procedure
	digest      string                 // of all rules
}

func newAccessService(rules, elsewhere *policy.Policy, operators operators, followers followers) (*accessService, error) {
	s := &accessService{rules: rules, elsewhere: elsewhere, operators: operators, followers: followers}
	if err := s.addRules(rules.Entries(), false); err != nil {
		return nil, err
	}
	if elsewhere != nil {
		others := slices.DeleteFunc(slices.Clone(elsewhere.Entries()), func(entry policy.Entry) bool {
			return entry.Origin.Source == policy.SourceBuiltIn || rules.Rule(entry.Procedure) != nil
		})
		if err := s.addRules(others, true); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(s.methodRules, func(x, y *accessv1.MethodRule) int { return strings.Compare(x.GetProcedure(), y.GetProcedure()) })
	all := sha256.New()
	for _, rule := range s.methodRules {
		fmt.Fprintf(all, "%s\n%s %t\n", rule.GetProcedure(), rule.GetRuleDigest(), rule.GetServedElsewhere())
	}
	s.digest = hex.EncodeToString(all.Sum(nil))
	return s, nil
}

func (s *accessService) addRules(entries []policy.Entry, elsewhere bool) error {
	for _, entry := range entries {
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(entry.Rule)
		if err != nil {
			return fmt.Errorf("%s: %w", entry.Procedure, err)
		}
		rule := sha256.Sum256(encoded)
		s.methodRules = append(s.methodRules, &accessv1.MethodRule{
			Procedure:       entry.Procedure,
			Description:     entry.Access(),
			Rule:            entry.Rule,
			Source:          sourceMessage(entry.Origin.Source),
			RuleDigest:      hex.EncodeToString(rule[:]),
			ServedElsewhere: elsewhere,
		})
	}
	return nil
}

// ListMethodRules implements both the connect and the grpc-go interface.
func (s *accessService) ListMethodRules(_ context.Context, req *accessv1.ListMethodRulesRequest) (*accessv1.ListMethodRulesResponse, error) {
	var faults rpcerror.Violations
	refuseUnknown(req, &faults)
	size := pageSize(req.GetPageSize(), defaultPageSize, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	scope := position.ScopeOf(accessv1.AccessService_ListMethodRules_FullMethodName+" "+s.digest, nil)
	page, next, err := pageOf(s.methodRules, size, req.GetPageToken(), scope)
	if err != nil {
		return nil, err
	}
	return &accessv1.ListMethodRulesResponse{MethodRules: page, NextPageToken: next, PolicyDigest: s.digest}, nil
}

// ExplainAccess implements both the connect and the grpc-go interface.
func (s *accessService) ExplainAccess(ctx context.Context, req *accessv1.ExplainAccessRequest) (*accessv1.ExplainAccessResponse, error) {
	var faults rpcerror.Violations
	refuseUnknown(req, &faults)
	size := pageSize(req.GetPageSize(), defaultPageSize, &faults)
	procedures := s.procedures(req.GetProcedures(), &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	scope := position.ScopeOf(accessv1.AccessService_ExplainAccess_FullMethodName+" "+s.digest,
		&accessv1.ExplainAccessRequest{Procedures: req.GetProcedures()})
	page, next, err := pageOf(procedures, size, req.GetPageToken(), scope)
	if err != nil {
		return nil, err
	}
	id := auth.MustFromContext(ctx)
	res := &accessv1.ExplainAccessResponse{NextPageToken: next, PolicyDigest: s.digest}
	for _, procedure := range page {
		res.Explanations = append(res.Explanations, explanationMessage(procedure, s.explain(procedure, id)))
	}
	return res, nil
}

// maxProcedures is how many procedures a request may name.
const maxProcedures = 1000

// procedures returns those that are named, or all. What is wrong with them is added to
// the faults.
func (s *accessService) procedures(named []string, faults *rpcerror.Violations) []string {
	all := make([]string, len(s.methodRules))
	seen := make(map[string]bool, len(s.methodRules)) // false for those that were not named
	for i, rule := range s.methodRules {
		all[i] = rule.GetProcedure()
		seen[all[i]] = false
	}
	switch {
	case len(named) == 0:
		return all
	case len(named) > maxProcedures:
		faults.Add("procedures", "must not be more than %d; ask again for the others, or name none for all", maxProcedures)
		return nil
	}
	for i, procedure := range named {
		field := fmt.Sprintf("procedures[%d]", i)
		switch before, served := seen[procedure]; {
		case !served:
			faults.Add(field, "the server knows no such method; ListMethodRules returns those that it knows")
		case before:
			faults.Add(field, "is named already; name each method once")
		default:
			seen[procedure] = true
		}
	}
	return named
}

// pageOf returns a page of a list that is the same for all requests of a scope, and
// the position of the next one, which is empty for the last page.
func pageOf[T any](list []T, size int, token string, scope position.Scope) (page []T, next string, err error) {
	// The rules of every process with this digest are the same, so there is no epoch.
	start, err := position.Decode[uint32](token, position.Epoch{}, scope)
	if err != nil {
		return nil, "", err
	}
	rest := list[min(int(start), len(list)):]
	if len(rest) <= size {
		return rest, "", nil
	}
	return rest[:size], position.Encode(position.Epoch{}, scope, int(start)+size), nil
}

// explain is the policy's, with what our own handlers ask decided where that is
// known before a call: followers have what those of the FeedService ask, and nobody
// else; an operator has what each of the others asks, and anybody else lacks what those of
// the services for operators do.
func (s *accessService) explain(procedure string, id *auth.Identity) policy.Explanation {
	explanation, served := s.rules.Explain(procedure, id)
	if !served { // what the handlers of others ask, they know
		explanation, _ = s.elsewhere.Explain(procedure, id)
		return explanation
	}
	for i := range explanation {
		step := &explanation[i]
		switch {
		case !step.Handler:
		case strings.HasPrefix(procedure, "/"+feedv1connect.FeedServiceName+"/"):
			if step.Outcome, step.Detail = policy.Met, ""; !s.followers.include(id) {
				step.Outcome, step.Detail = policy.Unmet, "needs the permission of a machine that follows the feed"
			}
		case s.operators.include(id):
			step.Outcome, step.Detail = policy.Met, ""
		case strings.HasPrefix(procedure, "/"+revocationv1connect.RevocationServiceName+"/"),
			strings.HasPrefix(procedure, "/"+decisionv1connect.DecisionServiceName+"/"),
			strings.HasPrefix(procedure, "/"+statusv1connect.StatusServiceName+"/"):
			step.Outcome, step.Detail = policy.Unmet, "needs an operator"
		}
	}
	return explanation
}

// grpcAccess is the service as grpc-go wants it. It does not embed
// Unimplemented…, so that a method that is missing here does not compile.
type grpcAccess struct {
	accessv1.UnsafeAccessServiceServer
	*liveAccess
}

func explanationMessage(procedure string, explanation policy.Explanation) *accessv1.AccessExplanation {
	message := &accessv1.AccessExplanation{Procedure: procedure, Outcome: outcomeMessage(explanation.Outcome())}
	for _, step := range explanation {
		message.Requirements = append(message.Requirements, &accessv1.Requirement{
			Description: step.Requirement,
			Outcome:     outcomeMessage(step.Outcome),
			Reason:      reasonMessage(step),
			Detail:      step.Detail,
		})
	}
	return message
}

// reasonMessage returns the schema's value for the reason of a step. What the handler
// requires has none: only the handler knows.
func reasonMessage(step policy.Step) errorv1.Reason {
	if step.Handler {
		return errorv1.Reason_REASON_UNSPECIFIED
	}
	return errorv1.Reason(errorv1.Reason_value["REASON_"+step.Reason.String()])
}

func outcomeMessage(outcome policy.Outcome) accessv1.AccessOutcome {
	switch outcome {
	case policy.Met:
		return accessv1.AccessOutcome_ACCESS_OUTCOME_MET
	case policy.Unmet:
		return accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET
	default:
		return accessv1.AccessOutcome_ACCESS_OUTCOME_UNDECIDED
	}
}

func sourceMessage(source policy.Source) accessv1.RuleSource {
	switch source {
	case policy.SourceBuiltIn:
		return accessv1.RuleSource_RULE_SOURCE_BUILT_IN
	case policy.SourceService:
		return accessv1.RuleSource_RULE_SOURCE_SERVICE
	case policy.SourceMethod:
		return accessv1.RuleSource_RULE_SOURCE_METHOD
	case policy.SourceGo:
		return accessv1.RuleSource_RULE_SOURCE_CODE
	case policy.SourceSettings:
		return accessv1.RuleSource_RULE_SOURCE_SETTINGS
	default:
		return accessv1.RuleSource_RULE_SOURCE_UNSPECIFIED
	}
}
