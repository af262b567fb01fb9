package policy_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// TestARefusalSaysWhatToAskFor and nothing that no token request can bring.
func TestARefusalSaysWhatToAskFor(t *testing.T) {
	t.Parallel()
	const procedure = "/acme.v1.Files/Export"
	strict := &policyv1.Reverification{Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_STRICT}}
	scoped := &auth.Demand{Scopes: []string{"files:read", "files:write"}}
	for name, test := range map[string]struct {
		rule   *policyv1.Require
		caller *auth.Identity
		reason auth.Reason
		want   *auth.Demand
	}{
		"all scopes, where one is missing": {
			&policyv1.Require{AllScopes: []string{"files:read", "files:write"}}, &auth.Identity{Scopes: []string{"files:read"}},
			auth.ScopeRequired, scoped,
		},
		"all scopes, where there is no token": {
			&policyv1.Require{AnyRole: []string{"admin"}, AllScopes: []string{"files:read", "files:write"}}, nil, auth.TokenMissing, scoped,
		},
		"nothing, where no scope is asked for": {&policyv1.Require{AnyRole: []string{"admin"}}, nil, auth.TokenMissing, nil},
		"a step up":                            {&policyv1.Require{Reverification: strict}, &auth.Identity{}, auth.ReverificationRequired, &auth.Demand{MaxAge: 10 * time.Minute, StepUp: true}},
		"no step up": {
			&policyv1.Require{Reverification: strict}, &auth.Identity{NoStepUp: true}, auth.ReverificationRequired, &auth.Demand{MaxAge: 10 * time.Minute},
		},
		"classes, and how lately": {
			&policyv1.Require{Reverification: &policyv1.Reverification{Freshness: strict.GetFreshness(), AnyAcr: []string{"phr", "phrh"}}}, &auth.Identity{},
			auth.ReverificationRequired, &auth.Demand{MaxAge: 10 * time.Minute, ACRValues: []string{"phr", "phrh"}, StepUp: true},
		},
		"classes": {
			&policyv1.Require{Reverification: &policyv1.Reverification{AnyAcr: []string{"phr"}}}, &auth.Identity{ACR: "0", AuthTime: time.Now()},
			auth.ReverificationRequired, &auth.Demand{ACRValues: []string{"phr"}, StepUp: true},
		},
		"no roles":       {&policyv1.Require{AnyRole: []string{"admin"}, AllScopes: []string{"a"}}, &auth.Identity{}, auth.RoleRequired, nil},
		"no permissions": {&policyv1.Require{AllPermissions: []string{"a:b"}}, &auth.Identity{}, auth.PermissionRequired, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := policy.New(policy.Override(procedure, &policyv1.Rule{Access: &policyv1.Rule_Require{Require: test.rule}}))
			if err != nil {
				t.Fatal(err)
			}
			refusal := auth.AsError(rules.Rule(procedure).Check(test.caller))
			if refusal.Reason != test.reason || !reflect.DeepEqual(refusal.Demand, test.want) {
				t.Errorf("%v, %+v; want %v, %+v", refusal.Reason, refusal.Demand, test.reason, test.want)
			}
		})
	}
}

func TestScopesAreThoseOfAllRules(t *testing.T) {
	t.Parallel()
	scoped := func(scopes ...string) *policyv1.Rule {
		return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AllScopes: scopes}}}
	}
	rules, err := policy.New(
		policy.Override("/acme.v1.Files/Export", scoped("files:read", "files:export")),
		policy.Override("/acme.v1.Files/Import", scoped("files:write", "files:read")),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := rules.Scopes(); !slices.Equal(got, []string{"files:export", "files:read", "files:write"}) {
		t.Errorf("scopes %q", got)
	}
}
