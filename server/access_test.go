package server

import (
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/gen/ostiary/access/v1/accessv1connect"
	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/settings"
)

func (tr endpoint) access(t *testing.T, token string) accessv1connect.AccessServiceClient {
	t.Helper()
	return accessv1connect.NewAccessServiceClient(httpClient(t, true), tr.url, append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))...)
}

func accessOf(t *testing.T, rules *policy.Policy, operators operators) *accessService {
	t.Helper()
	service, err := newAccessService(rules, nil, operators, feed.Followers{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func TestListMethodRulesIsTheMatrixOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := tr.access(t, token).ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			byProcedure := make(map[string]*accessv1.MethodRule)
			var order []string
			for _, rule := range res.GetMethodRules() {
				byProcedure[rule.GetProcedure()] = rule
				order = append(order, rule.GetProcedure())
			}
			if !slices.IsSorted(order) {
				t.Errorf("not ordered by procedure: %q", order)
			}
			for _, want := range []*accessv1.MethodRule{
				{
					Procedure:   identityv1.IdentityService_WhoAmI_FullMethodName,
					Description: "a valid token",
					Rule:        &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}},
					Source:      accessv1.RuleSource_RULE_SOURCE_SERVICE,
				},
				{
					Procedure:   "/grpc.health.v1.Health/Check",
					Description: "anybody",
					Rule:        &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}},
					Source:      accessv1.RuleSource_RULE_SOURCE_BUILT_IN,
				},
			} {
				got := byProcedure[want.GetProcedure()]
				if want.RuleDigest = got.GetRuleDigest(); len(want.GetRuleDigest()) != 64 {
					t.Errorf("the digest of the rule is %q", got.GetRuleDigest())
				}
				if !proto.Equal(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			}
			for procedure := range byProcedure {
				if !strings.HasPrefix(procedure, "/") {
					t.Errorf("%s is listed, and is no method", procedure)
				}
			}
		})
	}
}

func TestExplainAccessShowsWhatTheCallerMayCallOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := tr.access(t, token)
			all, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{})
			if err != nil {
				t.Fatal(err)
			}
			list, err := client.ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if len(all.GetExplanations()) != len(list.GetMethodRules()) {
				t.Errorf("%d methods are explained, of %d", len(all.GetExplanations()), len(list.GetMethodRules()))
			}
			some, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{
				identityv1.IdentityService_WhoAmI_FullMethodName, "/grpc.health.v1.Health/Check",
			}})
			if err != nil {
				t.Fatal(err)
			}
			want := &accessv1.ExplainAccessResponse{Explanations: []*accessv1.AccessExplanation{
				{
					Procedure:    identityv1.IdentityService_WhoAmI_FullMethodName,
					Outcome:      accessv1.AccessOutcome_ACCESS_OUTCOME_MET,
					Requirements: []*accessv1.Requirement{{Description: "a valid token", Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_MET, Reason: errorv1.Reason_REASON_TOKEN_MISSING}},
				},
				{Procedure: "/grpc.health.v1.Health/Check", Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_MET},
			}}
			if want.PolicyDigest = list.GetPolicyDigest(); !proto.Equal(some, want) {
				t.Errorf("got  %v\nwant %v", some, want)
			}
		})
	}
}

func TestAccessServiceRefusesTheSameOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tr.access(t, "").ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{})
			if reason, ok := reasonOf(err); !ok || reason != auth.TokenMissing {
				t.Errorf("ListMethodRules without a token: %v; want %v", err, auth.TokenMissing)
			}
			_, err = tr.access(t, "").ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{})
			if reason, ok := reasonOf(err); !ok || reason != auth.TokenMissing {
				t.Errorf("ExplainAccess without a token: %v; want %v", err, auth.TokenMissing)
			}
			procedure := identityv1.IdentityService_WhoAmI_FullMethodName
			for what, test := range map[string]struct {
				req  *accessv1.ExplainAccessRequest
				want []string // the fields
			}{
				"a method that is not there":           {&accessv1.ExplainAccessRequest{Procedures: []string{procedure, procedure + "s"}}, []string{"procedures[1]"}},
				"a method that comes twice":            {&accessv1.ExplainAccessRequest{Procedures: []string{procedure, procedure}}, []string{"procedures[1]"}},
				"more methods than a request may name": {&accessv1.ExplainAccessRequest{Procedures: slices.Repeat([]string{procedure}, 1001)}, []string{"procedures"}},
				"everything that is wrong": {
					&accessv1.ExplainAccessRequest{Procedures: []string{"", procedure, procedure}, PageSize: -1},
					[]string{"page_size", "procedures[0]", "procedures[2]"},
				},
			} {
				_, err := tr.access(t, token).ExplainAccess(t.Context(), test.req)
				if got := violationsOf(t, err); !slices.Equal(got, test.want) {
					t.Errorf("%s: %v of %v; want %v", what, got, err, test.want)
				}
			}
			_, err = tr.access(t, token).ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{PageSize: -1})
			if got := violationsOf(t, err); !slices.Equal(got, []string{"page_size"}) {
				t.Errorf("a negative page: %v of %v; want page_size", got, err)
			}
		})
	}
}

// The native listener is asked by grpc-go too, which is who it is for.
func TestExplainAccessFromAGRPCClient(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+r.issuer.Session("user_ada"))
	res, err := accessv1.NewAccessServiceClient(r.grpcConn(t)).ExplainAccess(ctx, &accessv1.ExplainAccessRequest{})
	if err != nil || len(res.GetExplanations()) == 0 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestExplainAccessNamesWhatIsMissing(t *testing.T) {
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
	res, err := accessOf(t, rules, operators{}).ExplainAccess(auth.NewContext(t.Context(), ben), &accessv1.ExplainAccessRequest{Procedures: []string{"/member", "/admin"}})
	if err != nil {
		t.Fatal(err)
	}
	token := &accessv1.Requirement{Description: "a valid token", Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_MET, Reason: errorv1.Reason_REASON_TOKEN_MISSING}
	want := &accessv1.ExplainAccessResponse{Explanations: []*accessv1.AccessExplanation{
		{
			Procedure: "/member", Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_MET,
			Requirements: []*accessv1.Requirement{token, {
				Description: `the role "member"`, Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_MET, Reason: errorv1.Reason_REASON_ROLE_REQUIRED,
			}},
		},
		{
			Procedure: "/admin", Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET,
			Requirements: []*accessv1.Requirement{token, {
				Description: `the role "admin"`, Outcome: accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET, Reason: errorv1.Reason_REASON_ROLE_REQUIRED,
				Detail: `needs the role "admin"`,
			}},
		},
	}}
	want.PolicyDigest = res.GetPolicyDigest()
	if !proto.Equal(res, want) {
		t.Errorf("got  %v\nwant %v", res, want)
	}
}

// What the handlers ask beside the rules is part of the answer: nobody learns
// that they may do what only operators may.
func TestExplainAccessShowsWhoMeetsWhatTheHandlerRequires(t *testing.T) {
	t.Parallel()
	const (
		one        = "https://clerk.example.com"
		revocation = revocationv1.RevocationService_ListRevocations_FullMethodName
		decisions  = decisionv1.DecisionService_WatchDecisions_FullMethodName
		status     = statusv1.StatusService_GetStatus_FullMethodName
		session    = sessionv1.SessionService_GetSession_FullMethodName
		sessions   = sessionv1.SessionService_ListSessions_FullMethodName
	)
	rules, err := settings.Rules()
	if err != nil {
		t.Fatal(err)
	}
	otherwise, err := policy.New(policy.Override(revocation, &policyv1.Rule{
		Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	named := operatorsOf(settings.Config{Issuers: []settings.Issuer{{URL: one}}, OperatorSubjects: []string{"user_ops"}})
	operator := &auth.Identity{Issuer: one, Subject: "user_ops", Kind: auth.KindSession}
	impersonated := &auth.Identity{Issuer: one, Subject: "user_ops", Kind: auth.KindSession, Actor: &auth.Actor{Subject: "user_eve"}}
	member := &auth.Identity{Issuer: one, Subject: "user_ada", Kind: auth.KindSession}
	const met, unmet, undecided = accessv1.AccessOutcome_ACCESS_OUTCOME_MET, accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET, accessv1.AccessOutcome_ACCESS_OUTCOME_UNDECIDED
	for _, tt := range []struct {
		name      string
		rules     *policy.Policy
		procedure string
		caller    *auth.Identity
		outcome   accessv1.AccessOutcome
		detail    string // of the last check
	}{
		{"what serves operators alone, to an operator", rules, revocation, operator, met, ""},
		{"the decisions, to an operator", rules, decisions, operator, met, ""},
		{"the decisions, to anybody else", rules, decisions, member, unmet, "needs an operator"},
		{"the status, to an operator", rules, status, operator, met, ""},
		{"the status, to anybody else", rules, status, member, unmet, "needs an operator"},
		{"what serves operators alone, to anybody else", rules, revocation, member, unmet, "needs an operator"},
		{"what serves operators alone, to who impersonates one", rules, revocation, impersonated, unmet, "needs an operator"},
		{"what serves operators alone, by a rule that does not say so", otherwise, revocation, member, unmet, "needs an operator"},
		{"what depends on the session, to anybody", rules, session, member, undecided, "the handler decides"},
		{"what depends on the session, to an operator", rules, session, operator, met, ""},
		{"what serves everybody with what is theirs", rules, sessions, member, met, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := accessOf(t, tt.rules, named)
			res, err := service.ExplainAccess(auth.NewContext(t.Context(), tt.caller), &accessv1.ExplainAccessRequest{Procedures: []string{tt.procedure}})
			if err != nil {
				t.Fatal(err)
			}
			got := res.GetExplanations()[0]
			last := got.GetRequirements()[len(got.GetRequirements())-1]
			if got.GetOutcome() != tt.outcome || last.GetDetail() != tt.detail {
				t.Errorf("%v, and last %q; want %v, and %q", got.GetOutcome(), last.GetDetail(), tt.outcome, tt.detail)
			}
			if tt.procedure != sessions && last.GetReason() != errorv1.Reason_REASON_UNSPECIFIED {
				t.Errorf("the reason is %v; only the handler knows it", last.GetReason())
			}
		})
	}
}

// What is explained is what happens: the settings that name the operators reach
// both alike.
func TestExplainAccessAgreesWithTheHandlerOnEveryTransport(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.OperatorSubjects = []string{"user_ops"} })
	for name, tr := range r.transports() {
		for subject, want := range map[string]accessv1.AccessOutcome{
			"user_ops": accessv1.AccessOutcome_ACCESS_OUTCOME_MET,
			"user_ada": accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET,
		} {
			t.Run(name+", "+subject, func(t *testing.T) {
				t.Parallel()
				token := r.issuer.Session(subject)
				res, err := tr.access(t, token).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{
					Procedures: []string{revocationv1.RevocationService_ListRevocations_FullMethodName},
				})
				if err != nil {
					t.Fatal(err)
				}
				if got := res.GetExplanations()[0].GetOutcome(); got != want {
					t.Errorf("explained as %v; want %v", got, want)
				}
				_, err = tr.revocations(t, token).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
				if reason, refused := reasonOf(err); refused != (want == accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET) || refused && reason != auth.PermissionRequired {
					t.Errorf("the handler says %v", err)
				}
			})
		}
	}
}

// Every value of the library's has one on the wire.
func TestSourcesAndOutcomesAreOnTheWire(t *testing.T) {
	t.Parallel()
	sources := map[policy.Source]accessv1.RuleSource{
		policy.SourceBuiltIn:  accessv1.RuleSource_RULE_SOURCE_BUILT_IN,
		policy.SourceService:  accessv1.RuleSource_RULE_SOURCE_SERVICE,
		policy.SourceMethod:   accessv1.RuleSource_RULE_SOURCE_METHOD,
		policy.SourceGo:       accessv1.RuleSource_RULE_SOURCE_CODE,
		policy.SourceSettings: accessv1.RuleSource_RULE_SOURCE_SETTINGS,
	}
	if len(sources) != len(accessv1.RuleSource_name)-1 {
		t.Errorf("%d sources, and %d names on the wire", len(sources), len(accessv1.RuleSource_name))
	}
	for source, want := range sources {
		if got := sourceMessage(source); got != want {
			t.Errorf("%v is %v; want %v", source, got, want)
		}
	}
	for outcome, want := range map[policy.Outcome]accessv1.AccessOutcome{
		policy.Met:       accessv1.AccessOutcome_ACCESS_OUTCOME_MET,
		policy.Unmet:     accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET,
		policy.Undecided: accessv1.AccessOutcome_ACCESS_OUTCOME_UNDECIDED,
	} {
		if got := outcomeMessage(outcome); got != want {
			t.Errorf("%v is %v; want %v", outcome, got, want)
		}
	}
}

func TestEveryProtectedMethodOfOurOwnNeedsAToken(t *testing.T) {
	t.Parallel()
	rules, err := settings.Rules()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range rules.Entries() {
		if entry.Origin.Source != policy.SourceBuiltIn && rules.Rule(entry.Procedure).Check(nil) == nil {
			t.Errorf("%s is open to anybody", entry.Procedure)
		}
	}
}

// allRules reads all pages of rules.
func allRules(t *testing.T, client accessv1connect.AccessServiceClient, size int32) (procedures []string, digest string) {
	t.Helper()
	for token := ""; ; {
		res, err := client.ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{PageSize: size, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range res.GetMethodRules() {
			procedures = append(procedures, rule.GetProcedure())
		}
		if digest = res.GetPolicyDigest(); res.GetNextPageToken() == "" {
			return procedures, digest
		}
		token = res.GetNextPageToken()
	}
}

func TestRulesAndExplanationsComeInPages(t *testing.T) {
	t.Parallel()
	r := start(t)
	client := r.transports()["Connect"].access(t, r.issuer.Session("user_ada"))
	all, digest := allRules(t, client, 0)
	for _, size := range []int32{1, 4, int32(len(all)) - 1, int32(len(all)), 5000} {
		if paged, again := allRules(t, client, size); !slices.Equal(paged, all) || again != digest {
			t.Errorf("in pages of %d: %q, digest %s; want %q, %s", size, paged, again, all, digest)
		}
	}
	for what, named := range map[string][]string{"all methods": nil, "some methods, in their own order": {all[5], all[3], all[4]}} {
		want := named
		if want == nil {
			want = all
		}
		var got []string
		for token := ""; ; {
			res, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: named, PageSize: 2, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, explanation := range res.GetExplanations() {
				got = append(got, explanation.GetProcedure())
			}
			if res.GetPolicyDigest() != digest {
				t.Errorf("%s: the digest is %s; want that of the rules, %s", what, res.GetPolicyDigest(), digest)
			}
			if token = res.GetNextPageToken(); token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q; want %q", what, got, want)
		}
	}
}

func TestAPageTokenOfOtherRulesIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	other := start(t, func(c *settings.Config) {
		c.Rules = []policy.Option{policy.Override(identityv1.IdentityService_WhoAmI_FullMethodName, anyRole("admin"))}
	})
	client := r.transports()["Connect"].access(t, r.issuer.Session("user_ada"))
	elsewhere := other.transports()["Connect"].access(t, other.issuer.Session("user_ada"))
	rules, err := client.ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	explained, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	list := func(client accessv1connect.AccessServiceClient, token string) error {
		_, err := client.ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{PageToken: token})
		return err
	}
	explain := func(token string, procedures ...string) error {
		_, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{PageToken: token, Procedures: procedures})
		return err
	}
	for what, err := range map[string]error{
		"of a server with other rules": list(elsewhere, rules.GetNextPageToken()),
		"of another method":            list(client, explained.GetNextPageToken()),
		"of other procedures":          explain(explained.GetNextPageToken(), identityv1.IdentityService_WhoAmI_FullMethodName),
		"that is none":                 explain("eyJuIjoyfQ"),
	} {
		if got := errorInfoOf(t, err).GetReason(); got != "POSITION_INVALID" {
			t.Errorf("a page token %s: %v; want POSITION_INVALID", what, err)
		}
	}
}

func TestARuleKeepsItsDigestWhereverItIsDeclared(t *testing.T) {
	t.Parallel()
	digests := make(map[string]string) // by procedure
	for name, option := range map[string]policy.Option{
		"in code": policy.Override("/a", anyRole("admin")), "in the settings": policy.Configured("ostiary.yaml", "/a", anyRole("admin")),
	} {
		rules, err := policy.New(option, policy.Override("/b", anyRole("owner")), policy.Override("/c", anyRole("admin")))
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range accessOf(t, rules, operators{}).methods {
			rule := method.rule
			if before, ok := digests[rule.GetProcedure()]; ok && before != rule.GetRuleDigest() {
				t.Errorf("%s: the digest of %s is another one", name, rule.GetProcedure())
			}
			digests[rule.GetProcedure()] = rule.GetRuleDigest()
		}
	}
	if digests["/a"] != digests["/c"] || digests["/a"] == digests["/b"] {
		t.Errorf("%v; want one digest for each rule", digests)
	}
}

func TestTheDigestIsThatOfTheRulesAlone(t *testing.T) {
	t.Parallel()
	digest := func(options ...policy.Option) string {
		t.Helper()
		rules, err := policy.New(options...)
		if err != nil {
			t.Fatal(err)
		}
		return accessOf(t, rules, operators{}).digest
	}
	one := digest(policy.Override("/a", anyRole("admin")), policy.Override("/b", authenticated()))
	if again := digest(policy.Override("/b", authenticated()), policy.Configured("ostiary.yaml", "/a", anyRole("admin"))); again != one {
		t.Error("the same rules from another source have another digest")
	}
	for what, other := range map[string]string{
		"another role":      digest(policy.Override("/a", anyRole("owner")), policy.Override("/b", authenticated())),
		"another procedure": digest(policy.Override("/a", anyRole("admin")), policy.Override("/c", authenticated())),
		"one rule less":     digest(policy.Override("/a", anyRole("admin"))),
		"rules exchanged":   digest(policy.Override("/b", anyRole("admin")), policy.Override("/a", authenticated())),
	} {
		if other == one {
			t.Errorf("%s: the digest is the same", what)
		}
	}
}
