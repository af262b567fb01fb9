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
	"github.com/ostiary/ostiary/gen/ostiary/token/v1/tokenv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/schemas"
)

// accessService implements AccessService for both transports. Its rule asks for
// a token, so there is an identity in every context.
type accessService struct {
	rules     *policy.Policy
	backends  []schemas.State
	operators operators
	followers feed.Followers
	methods   []method // this server's, ordered by procedure, then those of each backend
	digest    string   // of all rules
}

// A method is one of this server or of a backend.
type method struct {
	rule *accessv1.MethodRule
	// backend is nil for this server.
	backend *policy.Policy
}

func newAccessService(rules *policy.Policy, backends []schemas.State, operators operators, followers feed.Followers) (*accessService, error) {
	s := &accessService{rules: rules, backends: backends, operators: operators, followers: followers}
	if err := s.add(rules.Entries(), "", nil); err != nil {
		return nil, err
	}
	for _, state := range backends {
		if state.Schema == nil {
			continue
		}
		if err := s.add(state.Schema.Methods, state.Name, state.Schema.Rules); err != nil {
			return nil, err
		}
	}
	all := sha256.New()
	for _, method := range s.methods {
		fmt.Fprintf(all, "%s\n%s %q\n", method.rule.GetProcedure(), method.rule.GetRuleDigest(), method.rule.GetBackend())
	}
	s.digest = hex.EncodeToString(all.Sum(nil))
	return s, nil
}

func (s *accessService) add(entries []policy.Entry, name string, rules *policy.Policy) error {
	for _, entry := range entries {
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(entry.Rule)
		if err != nil {
			return fmt.Errorf("%s: %w", entry.Procedure, err)
		}
		digest := sha256.Sum256(encoded)
		rule := &accessv1.MethodRule{
			Procedure:   entry.Procedure,
			Description: "its schema has no rule",
			Rule:        entry.Rule,
			RuleDigest:  hex.EncodeToString(digest[:]),
			Backend:     name,
		}
		if entry.Rule != nil {
			rule.Description, rule.Source = entry.Access(), sourceMessage(entry.Origin.Source)
		}
		s.methods = append(s.methods, method{rule, rules})
	}
	return nil
}

// ListMethodRules implements both the connect and the grpc-go interface.
func (s *accessService) ListMethodRules(_ context.Context, req *accessv1.ListMethodRulesRequest) (*accessv1.ListMethodRulesResponse, error) {
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	size := faults.PageSize(req.GetPageSize(), rpcerror.DefaultPageSize)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	scope := position.ScopeOf(accessv1.AccessService_ListMethodRules_FullMethodName+" "+s.digest, nil)
	page, next, err := pageOf(s.methods, size, req.GetPageToken(), scope)
	if err != nil {
		return nil, err
	}
	res := &accessv1.ListMethodRulesResponse{NextPageToken: next, PolicyDigest: s.digest}
	for _, method := range page {
		res.MethodRules = append(res.MethodRules, method.rule)
	}
	return res, nil
}

// ExplainAccess implements both the connect and the grpc-go interface.
func (s *accessService) ExplainAccess(ctx context.Context, req *accessv1.ExplainAccessRequest) (*accessv1.ExplainAccessResponse, error) {
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	size := faults.PageSize(req.GetPageSize(), rpcerror.DefaultPageSize)
	methods := s.named(req.GetProcedures(), &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	scope := position.ScopeOf(accessv1.AccessService_ExplainAccess_FullMethodName+" "+s.digest,
		&accessv1.ExplainAccessRequest{Procedures: req.GetProcedures()})
	page, next, err := pageOf(methods, size, req.GetPageToken(), scope)
	if err != nil {
		return nil, err
	}
	id := auth.MustFromContext(ctx)
	res := &accessv1.ExplainAccessResponse{NextPageToken: next, PolicyDigest: s.digest}
	if res.Explanations, err = s.explanations(ctx, page, id); err != nil {
		return nil, err
	}
	return res, nil
}

// explanations say whether an identity may call each of the methods, and why.
func (s *accessService) explanations(ctx context.Context, methods []method, id *auth.Identity) ([]*accessv1.AccessExplanation, error) {
	explanations := make([]*accessv1.AccessExplanation, len(methods))
	for i, method := range methods {
		if ctx.Err() != nil { // conditions of others take time
			return nil, ctx.Err()
		}
		explanations[i] = s.explanation(method, id)
	}
	return explanations, nil
}

// maxProcedures is how many procedures a request may name.
const maxProcedures = 1000

// named returns the methods with these procedures, or all. What is wrong with them is added to
// the faults.
func (s *accessService) named(procedures []string, faults *rpcerror.Violations) []method {
	switch {
	case len(procedures) == 0:
		return s.methods
	case len(procedures) > maxProcedures:
		faults.Add("procedures", "must not be more than %d; ask again for the others, or name none for all", maxProcedures)
		return nil
	}
	known := make(map[string][]method, len(s.methods))
	for _, method := range s.methods {
		procedure := method.rule.GetProcedure()
		known[procedure] = append(known[procedure], method)
	}
	seen := make(map[string]bool, len(procedures))
	var named []method
	for i, procedure := range procedures {
		field := fmt.Sprintf("procedures[%d]", i)
		switch methods := known[procedure]; {
		case len(methods) == 0:
			faults.Add(field, "the server knows no such method; ListMethodRules returns those that it knows")
		case seen[procedure]:
			faults.Add(field, "is named already; name each method once")
		default:
			seen[procedure] = true
			named = append(named, methods...)
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
func (s *accessService) explain(method method, id *auth.Identity) policy.Explanation {
	procedure := method.rule.GetProcedure()
	if method.rule.GetBackend() != "" { // what the handlers of others ask, they know
		if method.rule.GetRule() == nil {
			return policy.Explanation{{Requirement: "what the backend asks by itself", Handler: true, Detail: "the schema has no rule"}}
		}
		explanation, _ := method.backend.Explain(procedure, id)
		return explanation
	}
	explanation, _ := s.rules.Explain(procedure, id)
	for i := range explanation {
		step := &explanation[i]
		switch {
		case !step.Handler:
		case strings.HasPrefix(procedure, "/"+feedv1connect.FeedServiceName+"/"):
			if step.Outcome, step.Detail = policy.Met, ""; !s.followers.Include(id) {
				step.Outcome, step.Detail = policy.Unmet, "needs the permission of a machine that follows the feed"
			}
		case s.operators.include(id):
			step.Outcome, step.Detail = policy.Met, ""
		case strings.HasPrefix(procedure, "/"+revocationv1connect.RevocationServiceName+"/"),
			strings.HasPrefix(procedure, "/"+decisionv1connect.DecisionServiceName+"/"),
			strings.HasPrefix(procedure, "/"+statusv1connect.StatusServiceName+"/"),
			strings.HasPrefix(procedure, "/"+tokenv1connect.TokenServiceName+"/"):
			step.Outcome, step.Detail = policy.Unmet, "needs an operator"
		}
	}
	return explanation
}

// ListBackends implements both the connect and the grpc-go interface.
func (s *accessService) ListBackends(_ context.Context, req *accessv1.ListBackendsRequest) (*accessv1.ListBackendsResponse, error) {
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	res := new(accessv1.ListBackendsResponse)
	for _, state := range s.backends {
		message := &accessv1.Backend{Name: state.Name, Url: state.URL, Problem: problemOf(state)}
		if state.Schema != nil {
			message.SchemaDigest = state.Schema.Digest
		}
		res.Backends = append(res.Backends, message)
	}
	return res, nil
}

// problemOf says what is wrong with a backend, without where it is: that is for operators.
func problemOf(state schemas.State) string {
	switch {
	case state.Schema == nil && state.LastError == "":
		return "It has not sent its schema yet."
	case state.Schema == nil:
		return "Its schema could not be read."
	case !state.FailingSince.IsZero():
		return "Its schema could not be read again, and may be another by now."
	case state.LastError != "":
		return "The rules in its schema cannot be used."
	default:
		return ""
	}
}

// GetBackendSchema implements both the connect and the grpc-go interface.
func (s *accessService) GetBackendSchema(_ context.Context, req *accessv1.GetBackendSchemaRequest) (*accessv1.GetBackendSchemaResponse, error) {
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	at := slices.IndexFunc(s.backends, func(state schemas.State) bool { return state.Name == req.GetName() })
	switch {
	case at < 0:
		faults.Add("name", "the server knows no such backend; ListBackends returns those that it knows")
	case s.backends[at].Schema == nil:
		faults.Add("name", "the server does not know the schema of this backend; ListBackends says when it does")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	schema := s.backends[at].Schema
	return &accessv1.GetBackendSchemaResponse{FileDescriptorSet: schema.Files, Services: schema.Services, SchemaDigest: schema.Digest}, nil
}

// grpcAccess is the service as grpc-go wants it. It does not embed
// Unimplemented…, so that a method that is missing here does not compile.
type grpcAccess struct {
	accessv1.UnsafeAccessServiceServer
	*liveAccess
}

// explanation says whether an identity may call a method, and why.
func (s *accessService) explanation(method method, id *auth.Identity) *accessv1.AccessExplanation {
	explanation := s.explain(method, id)
	message := &accessv1.AccessExplanation{
		Procedure: method.rule.GetProcedure(), Backend: method.rule.GetBackend(), Outcome: outcomeMessage(explanation.Outcome()),
	}
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
