package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/settings"
)

func anyRole(names ...string) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AnyRole: names}}}
}

func authenticated() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
}

func TestRulesOfTheConfigAreInForceOnEveryTransport(t *testing.T) {
	t.Parallel()
	const whoAmI = identityv1.IdentityService_WhoAmI_FullMethodName
	r := start(t, func(c *settings.Config) {
		c.Rules = []policy.Option{
			policy.Configured("ostiary.yaml", grpc_health_v1.Health_Check_FullMethodName, authenticated()),
			policy.Override(whoAmI, anyRole("admin")),
		}
	})
	member := r.issuer.Session("user_ben", authtest.InOrganization("org_acme", "acme", "member"), authtest.ExpiresIn(time.Hour))
	admin := r.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin"), authtest.ExpiresIn(time.Hour))
	for name, tr := range r.transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tests := map[string]struct {
				procedure, token string
				want             auth.Reason // 0 for a call that passes
			}{
				"health without a token":        {grpc_health_v1.Health_Check_FullMethodName, "", auth.TokenMissing},
				"health with one":               {grpc_health_v1.Health_Check_FullMethodName, member, 0},
				"a method of ours as a member":  {whoAmI, member, auth.RoleRequired},
				"a method of ours as its admin": {whoAmI, admin, 0},
			}
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					err := tr.call(t, test.procedure, test.token)
					reason, refused := reasonOf(err)
					if reason != test.want || err != nil && !refused {
						t.Errorf("%v; want %v", err, test.want)
					}
				})
			}
			res, err := tr.access(t, admin).ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			sources := make(map[string]accessv1.RuleSource)
			for _, rule := range res.GetMethodRules() {
				sources[rule.GetProcedure()] = rule.GetSource()
			}
			if got := sources[grpc_health_v1.Health_Check_FullMethodName]; got != accessv1.RuleSource_RULE_SOURCE_SETTINGS {
				t.Errorf("the rule of health comes from %v", got)
			}
			if got := sources[whoAmI]; got != accessv1.RuleSource_RULE_SOURCE_CODE {
				t.Errorf("the rule of WhoAmI comes from %v", got)
			}
		})
	}
	if !strings.Contains(r.log.String(), `msg="a rule of the settings is in force" procedure=/grpc.health.v1.Health/Check access="a valid token" file=ostiary.yaml`) {
		t.Error("the log does not say that a rule of the settings is in force")
	}
}

// call sends an empty request to a unary method.
func (tr endpoint) call(t *testing.T, procedure, token string) error {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](httpClient(t, true), tr.url+procedure, options...)
	_, err := client.CallUnary(t.Context(), connect.NewRequest(new(emptypb.Empty)))
	return err
}
