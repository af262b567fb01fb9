package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// streaming returns the rule with terms for its streams.
func streaming(rule *policyv1.Rule, stream *policyv1.Stream) *policyv1.Rule {
	rule.Stream = stream
	return rule
}

func TestTermsOfStreams(t *testing.T) {
	t.Parallel()
	hourly := &policyv1.Stream{Lease: policyv1.Stream_LEASE_UNTIL_EXPIRY, MaxLifetime: durationpb.New(time.Hour)}
	byHour := auth.StreamTerms{Lease: auth.LeaseUntilExpiry, MaxLifetime: time.Hour}
	for _, tt := range []struct {
		name string
		rule *policyv1.Rule
		want auth.StreamTerms
	}{
		{"a rule that does not speak of streams", schematest.Authenticated(), auth.StreamTerms{}},
		{"nothing set", streaming(schematest.Authenticated(), &policyv1.Stream{}), auth.StreamTerms{}},
		{"renewable", streaming(schematest.Authenticated(), &policyv1.Stream{Lease: policyv1.Stream_LEASE_RENEWABLE}), auth.StreamTerms{Lease: auth.LeaseRenewable}},
		{"at open", streaming(schematest.Authenticated(), &policyv1.Stream{Lease: policyv1.Stream_LEASE_AT_OPEN}), auth.StreamTerms{Lease: auth.LeaseAtOpen}},
		{"of a public method", streaming(schematest.Public(), hourly), byHour},
		{"of a method for those who are signed in", streaming(schematest.Authenticated(), hourly), byHour},
		{"of a method with requirements", streaming(schematest.Require(&policyv1.Require{Organization: true}), hourly), byHour},
		{"of a method with a condition on the request", streaming(schematest.Condition("request.owner == identity.subject"), hourly), byHour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule, ok := newPolicy(t, schematest.NewSchema(t, nil, schematest.Rules{"M": tt.rule})).Rule(schematest.Procedure("M")).(auth.StreamRule)
			if !ok || rule.Stream() != tt.want {
				t.Errorf("the rule %v; want terms %+v", rule, tt.want)
			}
		})
	}
}

func TestTermsThatNoStreamCanMeetAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		stream *policyv1.Stream
		want   string
	}{
		{"no time at all", &policyv1.Stream{MaxLifetime: &durationpb.Duration{}}, "a max_lifetime of 0s"},
		{"less than none", &policyv1.Stream{MaxLifetime: durationpb.New(-time.Second)}, "a max_lifetime of -1s"},
		{"a duration that is none", &policyv1.Stream{MaxLifetime: &durationpb.Duration{Seconds: 1, Nanos: -1}}, "a max_lifetime of"},
	} {
		for name, rule := range map[string]*policyv1.Rule{
			"public": schematest.Public(), "authenticated": schematest.Authenticated(), "require": schematest.Require(&policyv1.Require{Organization: true}),
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				t.Parallel()
				_, err := policy.New(policy.Files(schematest.NewSchema(t, nil, schematest.Rules{"M": streaming(rule, tt.stream)})), condition.Evaluator())
				var faults policy.RuleErrors
				if !errors.As(err, &faults) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v; want one that says %q", err, tt.want)
				}
			})
		}
	}
}
