package server

import (
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/gen/ostiary/access/v1/accessv1connect"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func (tr transport) policies(t *testing.T, token string) accessv1connect.PolicyServiceClient {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	return accessv1connect.NewPolicyServiceClient(httpClient(t, true), tr.url, options...)
}

func TestListRulesIsTheMatrixOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := tr.policies(t, token).ListRules(t.Context(), &accessv1.ListRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			byProcedure := make(map[string]*accessv1.MethodRule)
			var order []string
			for _, rule := range res.GetRules() {
				byProcedure[rule.GetProcedure()] = rule
				order = append(order, rule.GetProcedure())
			}
			if !slices.IsSorted(order) {
				t.Errorf("not ordered by procedure: %q", order)
			}
			for _, want := range []*accessv1.MethodRule{
				{
					Procedure: identityv1.IdentityService_WhoAmI_FullMethodName,
					Access:    "a valid token",
					Rule:      &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}},
					Source:    accessv1.Source_SOURCE_SERVICE,
				},
				{
					Procedure: "/grpc.health.v1.Health/Check",
					Access:    "anybody",
					Rule:      &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}},
					Source:    accessv1.Source_SOURCE_BUILT_IN,
				},
			} {
				if got := byProcedure[want.GetProcedure()]; !proto.Equal(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			}
			if got := byProcedure[procedureOptions].GetSource(); got != accessv1.Source_SOURCE_CODE {
				t.Errorf("the rule of OPTIONS comes from %v", got)
			}
		})
	}
}

func TestExplainTellsWhatTheCallerMayCallOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := tr.policies(t, token)
			all, err := client.Explain(t.Context(), &accessv1.ExplainRequest{})
			if err != nil {
				t.Fatal(err)
			}
			list, err := client.ListRules(t.Context(), &accessv1.ListRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if len(all.GetExplanations()) != len(list.GetRules()) {
				t.Errorf("%d methods are explained, of %d", len(all.GetExplanations()), len(list.GetRules()))
			}
			some, err := client.Explain(t.Context(), &accessv1.ExplainRequest{Procedures: []string{
				identityv1.IdentityService_WhoAmI_FullMethodName, "/grpc.health.v1.Health/Check",
			}})
			if err != nil {
				t.Fatal(err)
			}
			want := &accessv1.ExplainResponse{Explanations: []*accessv1.Explanation{
				{
					Procedure: identityv1.IdentityService_WhoAmI_FullMethodName,
					Outcome:   accessv1.Outcome_OUTCOME_MET,
					Checks:    []*accessv1.Check{{Requirement: "a valid token", Outcome: accessv1.Outcome_OUTCOME_MET, Reason: "TOKEN_MISSING"}},
				},
				{Procedure: "/grpc.health.v1.Health/Check", Outcome: accessv1.Outcome_OUTCOME_MET},
			}}
			if !proto.Equal(some, want) {
				t.Errorf("got  %v\nwant %v", some, want)
			}
		})
	}
}

func TestPolicyServiceRefusesTheSameOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tr.policies(t, "").ListRules(t.Context(), &accessv1.ListRulesRequest{})
			if reason, ok := reasonOf(err); !ok || reason != auth.TokenMissing {
				t.Errorf("ListRules without a token: %v; want %v", err, auth.TokenMissing)
			}
			_, err = tr.policies(t, "").Explain(t.Context(), &accessv1.ExplainRequest{})
			if reason, ok := reasonOf(err); !ok || reason != auth.TokenMissing {
				t.Errorf("Explain without a token: %v; want %v", err, auth.TokenMissing)
			}
			for what, procedures := range map[string][]string{
				"a method that is not there": {"/ostiary.identity.v1.IdentityService/WhoIsThat"},
				"more methods than there are": slices.Repeat(
					[]string{identityv1.IdentityService_WhoAmI_FullMethodName}, 1000),
			} {
				_, err := tr.policies(t, token).Explain(t.Context(), &accessv1.ExplainRequest{Procedures: procedures})
				if connect.CodeOf(err) != connect.CodeInvalidArgument {
					t.Errorf("%s: %v; want %v", what, err, connect.CodeInvalidArgument)
				}
			}
		})
	}
}

// The native listener is asked by grpc-go too, which is who it is for.
func TestExplainFromAGRPCClient(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+r.issuer.Session("user_ada"))
	res, err := accessv1.NewPolicyServiceClient(r.grpcConn(t)).Explain(ctx, &accessv1.ExplainRequest{})
	if err != nil || len(res.GetExplanations()) == 0 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestExplainNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	require := func(r *policyv1.Require) *policyv1.Rule {
		return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
	}
	rules, err := policy.New(
		policy.Override("/admin", require(&policyv1.Require{AnyRole: []string{"admin"}})),
		policy.Override("/member", require(&policyv1.Require{AnyRole: []string{"member"}})),
	)
	if err != nil {
		t.Fatal(err)
	}
	ben := &auth.Identity{Subject: "user_ben", Roles: []string{"org:member"}}
	res, err := (&policyService{rules}).Explain(auth.NewContext(t.Context(), ben), &accessv1.ExplainRequest{Procedures: []string{"/member", "/admin"}})
	if err != nil {
		t.Fatal(err)
	}
	token := &accessv1.Check{Requirement: "a valid token", Outcome: accessv1.Outcome_OUTCOME_MET, Reason: "TOKEN_MISSING"}
	want := &accessv1.ExplainResponse{Explanations: []*accessv1.Explanation{
		{
			Procedure: "/member", Outcome: accessv1.Outcome_OUTCOME_MET,
			Checks: []*accessv1.Check{token, {
				Requirement: `the role "member"`, Outcome: accessv1.Outcome_OUTCOME_MET, Reason: "ROLE_REQUIRED",
			}},
		},
		{
			Procedure: "/admin", Outcome: accessv1.Outcome_OUTCOME_UNMET,
			Checks: []*accessv1.Check{token, {
				Requirement: `the role "admin"`, Outcome: accessv1.Outcome_OUTCOME_UNMET, Reason: "ROLE_REQUIRED",
				Detail: `needs the role "admin"`,
			}},
		},
	}}
	if !proto.Equal(res, want) {
		t.Errorf("got  %v\nwant %v", res, want)
	}
}

// Every value of the library's has one on the wire.
func TestSourcesAndOutcomesAreOnTheWire(t *testing.T) {
	t.Parallel()
	sources := map[policy.Source]accessv1.Source{
		policy.BuiltIn:       accessv1.Source_SOURCE_BUILT_IN,
		policy.ServiceOption: accessv1.Source_SOURCE_SERVICE,
		policy.MethodOption:  accessv1.Source_SOURCE_METHOD,
		policy.Code:          accessv1.Source_SOURCE_CODE,
		policy.Settings:      accessv1.Source_SOURCE_SETTINGS,
	}
	if len(sources) != len(accessv1.Source_name)-1 {
		t.Errorf("%d sources, and %d names on the wire", len(sources), len(accessv1.Source_name))
	}
	for source, want := range sources {
		if got := sourceMessage(source); got != want {
			t.Errorf("%v is %v; want %v", source, got, want)
		}
	}
	for outcome, want := range map[policy.Outcome]accessv1.Outcome{
		policy.Met:       accessv1.Outcome_OUTCOME_MET,
		policy.Unmet:     accessv1.Outcome_OUTCOME_UNMET,
		policy.Undecided: accessv1.Outcome_OUTCOME_UNDECIDED,
	} {
		if got := outcomeMessage(outcome); got != want {
			t.Errorf("%v is %v; want %v", outcome, got, want)
		}
	}
}

func TestEveryProtectedMethodOfOurOwnNeedsAToken(t *testing.T) {
	t.Parallel()
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range rules.Entries() {
		if entry.Origin.Source != policy.BuiltIn && rules.Rule(entry.Procedure).Check(nil) == nil {
			t.Errorf("%s is open to anybody", entry.Procedure)
		}
	}
}
