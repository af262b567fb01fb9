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
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func (tr endpoint) policies(t *testing.T, token string) accessv1connect.PolicyServiceClient {
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

func TestExplainShowsWhatTheCallerMayCallOnEveryTransport(t *testing.T) {
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
	res, err := (&policyService{rules: rules}).Explain(auth.NewContext(t.Context(), ben), &accessv1.ExplainRequest{Procedures: []string{"/member", "/admin"}})
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

// What the handlers ask beside the rules is part of the answer: nobody learns
// that they may do what only operators may.
func TestExplainShowsWhoMeetsWhatTheHandlerRequires(t *testing.T) {
	t.Parallel()
	const (
		one        = "https://clerk.example.com"
		revocation = revocationv1.RevocationService_ListRevocations_FullMethodName
		session    = sessionv1.SessionService_GetSession_FullMethodName
		sessions   = sessionv1.SessionService_ListSessions_FullMethodName
	)
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	otherwise, err := policy.New(policy.Override(revocation, &policyv1.Rule{
		Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	named := Config{Issuers: []Issuer{{URL: one}}, OperatorSubjects: []string{"user_ops"}}.operators()
	operator := &auth.Identity{Issuer: one, Subject: "user_ops", Kind: auth.KindSession}
	impersonated := &auth.Identity{Issuer: one, Subject: "user_ops", Kind: auth.KindSession, Actor: &auth.Actor{Subject: "user_eve"}}
	member := &auth.Identity{Issuer: one, Subject: "user_ada", Kind: auth.KindSession}
	const met, unmet, undecided = accessv1.Outcome_OUTCOME_MET, accessv1.Outcome_OUTCOME_UNMET, accessv1.Outcome_OUTCOME_UNDECIDED
	for _, tt := range []struct {
		name      string
		rules     *policy.Policy
		procedure string
		caller    *auth.Identity
		outcome   accessv1.Outcome
		detail    string // of the last check
	}{
		{"what serves operators alone, to an operator", rules, revocation, operator, met, ""},
		{"what serves operators alone, to anybody else", rules, revocation, member, unmet, "needs an operator"},
		{"what serves operators alone, to who impersonates one", rules, revocation, impersonated, unmet, "needs an operator"},
		{"what serves operators alone, by a rule that does not say so", otherwise, revocation, member, unmet, "needs an operator"},
		{"what depends on the session, to anybody", rules, session, member, undecided, "the handler decides"},
		{"what depends on the session, to an operator", rules, session, operator, met, ""},
		{"what serves everybody with what is theirs", rules, sessions, member, met, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := &policyService{rules: tt.rules, operators: named}
			res, err := service.Explain(auth.NewContext(t.Context(), tt.caller), &accessv1.ExplainRequest{Procedures: []string{tt.procedure}})
			if err != nil {
				t.Fatal(err)
			}
			got := res.GetExplanations()[0]
			last := got.GetChecks()[len(got.GetChecks())-1]
			if got.GetOutcome() != tt.outcome || last.GetDetail() != tt.detail {
				t.Errorf("%v, and last %q; want %v, and %q", got.GetOutcome(), last.GetDetail(), tt.outcome, tt.detail)
			}
			if tt.outcome != met && last.GetReason() != auth.PermissionRequired.String() {
				t.Errorf("the reason is %s", last.GetReason())
			}
		})
	}
}

// What is explained is what happens: the settings that name the operators reach
// both alike.
func TestExplainAgreesWithTheHandlerOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.OperatorSubjects = []string{"user_ops"} })
	for name, tr := range r.transports() {
		for subject, want := range map[string]accessv1.Outcome{
			"user_ops": accessv1.Outcome_OUTCOME_MET,
			"user_ada": accessv1.Outcome_OUTCOME_UNMET,
		} {
			t.Run(name+", "+subject, func(t *testing.T) {
				t.Parallel()
				token := r.issuer.Session(subject)
				res, err := tr.policies(t, token).Explain(t.Context(), &accessv1.ExplainRequest{
					Procedures: []string{revocationv1.RevocationService_ListRevocations_FullMethodName},
				})
				if err != nil {
					t.Fatal(err)
				}
				if got := res.GetExplanations()[0].GetOutcome(); got != want {
					t.Errorf("explained as %v; want %v", got, want)
				}
				_, err = tr.revocations(t, token).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
				if reason, refused := reasonOf(err); refused != (want == accessv1.Outcome_OUTCOME_UNMET) || refused && reason != auth.PermissionRequired {
					t.Errorf("the handler says %v", err)
				}
			})
		}
	}
}

// Every value of the library's has one on the wire.
func TestSourcesAndOutcomesAreOnTheWire(t *testing.T) {
	t.Parallel()
	sources := map[policy.Source]accessv1.Source{
		policy.SourceBuiltIn:  accessv1.Source_SOURCE_BUILT_IN,
		policy.SourceService:  accessv1.Source_SOURCE_SERVICE,
		policy.SourceMethod:   accessv1.Source_SOURCE_METHOD,
		policy.SourceGo:       accessv1.Source_SOURCE_CODE,
		policy.SourceSettings: accessv1.Source_SOURCE_SETTINGS,
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
		if entry.Origin.Source != policy.SourceBuiltIn && rules.Rule(entry.Procedure).Check(nil) == nil {
			t.Errorf("%s is open to anybody", entry.Procedure)
		}
	}
}

func TestExplainAcceptsAsManyMethodsAsThereAre(t *testing.T) {
	t.Parallel()
	r := start(t)
	client := r.transports()["Connect"].policies(t, r.issuer.Session("user_ada"))
	list, err := client.ListRules(t.Context(), &accessv1.ListRulesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	most := slices.Repeat([]string{revocationv1connect.RevocationServiceListRevocationsProcedure}, len(list.GetRules()))
	if res, err := client.Explain(t.Context(), &accessv1.ExplainRequest{Procedures: most}); err != nil || len(res.GetExplanations()) != len(most) {
		t.Errorf("%d explanations, error %v; want %d", len(res.GetExplanations()), err, len(most))
	}
	if _, err := client.Explain(t.Context(), &accessv1.ExplainRequest{Procedures: append(most, most[0])}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("one more: %v; want invalid argument", err)
	}
}
