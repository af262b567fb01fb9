package policy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func verified(first, second int) *auth.FactorAges {
	return &auth.FactorAges{First: time.Duration(first) * time.Minute, Second: time.Duration(second) * time.Minute}
}

func TestRules(t *testing.T) {
	t.Parallel()
	everything := &policyv1.Require{
		Kinds:          []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION},
		Organization:   true,
		AnyRole:        []string{"admin"},
		AllPermissions: []string{"invoices:read"},
		AllScopes:      []string{"email"},
		AnyFeature:     []string{"invoices"},
		AnyPlan:        []string{"org:pro"},
		Reverification: schematest.Preset(policyv1.Reverification_PRESET_STRICT),
		Condition:      "identity.subject == 'user_ada'",
	}
	p := schematest.NewPolicy(t, schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{
		"Public":       schematest.Public(),
		"Default":      nil,
		"Kinds":        schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION, policyv1.TokenKind_TOKEN_KIND_OAUTH}}),
		"Template":     schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_TEMPLATE}}),
		"Machine":      schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_MACHINE}}),
		"Organization": schematest.Require(&policyv1.Require{Organization: true}),
		"Role":         schematest.Require(&policyv1.Require{AnyRole: []string{"admin", "owner"}}),
		"Permission":   schematest.Require(&policyv1.Require{AllPermissions: []string{"invoices:read", "org:invoices:delete"}}),
		"Scope":        schematest.Require(&policyv1.Require{AllScopes: []string{"profile", "email"}}),
		"Feature":      schematest.Require(&policyv1.Require{AnyFeature: []string{"invoices", "user:gold"}}),
		"Plan":         schematest.Require(&policyv1.Require{AnyPlan: []string{"org:pro", "org:enterprise"}}),
		"Both":         schematest.Require(&policyv1.Require{AnyFeature: []string{"invoices"}, AnyPlan: []string{"pro"}}),
		"StrictMFA":    schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_STRICT_MFA)}),
		"Strict":       schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_STRICT)}),
		"Moderate":     schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_MODERATE)}),
		"Lax":          schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX)}),
		"First":        schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5, policyv1.Reverification_LEVEL_FIRST)}),
		"Second":       schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5, policyv1.Reverification_LEVEL_SECOND)}),
		"Multi":        schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5, policyv1.Reverification_LEVEL_MULTI)}),
		"Condition":    schematest.Condition("identity.subject == 'user_ada'"),
		"Everything":   schematest.Require(everything),
	}))

	nobody := (*auth.Identity)(nil)
	plain := &auth.Identity{}
	admin := &auth.Identity{Roles: []string{"org:admin"}}
	reader := &auth.Identity{Permissions: []string{"org:invoices:read"}}
	deleter := &auth.Identity{Permissions: []string{"org:invoices:delete", "org:invoices:read"}}
	scoped := &auth.Identity{Scopes: []string{"email", "profile"}}
	of := func(kind auth.TokenKind) *auth.Identity { return &auth.Identity{Kind: kind} }
	fresh := func(first, second int) *auth.Identity { return &auth.Identity{FactorAges: verified(first, second)} }
	// all has everything, or all but what is taken from it.
	all := func(take func(*auth.Identity)) *auth.Identity {
		id := &auth.Identity{
			Subject: "user_ada", Kind: auth.KindSession, Organization: auth.Organization{ID: "org_acme"},
			Roles: admin.Roles, Permissions: deleter.Permissions, Scopes: scoped.Scopes,
			Features: []string{"o:invoices"}, Plans: []string{"o:pro"}, FactorAges: verified(1, 1),
		}
		take(id)
		return id
	}

	for _, tt := range []struct {
		name   string
		method string
		caller *auth.Identity
		want   auth.Reason
	}{
		{"a public method takes anybody", "Public", nobody, schematest.Pass},
		{"a public method takes a known caller", "Public", plain, schematest.Pass},
		{"a method without a rule takes its service's: refused", "Default", nobody, auth.TokenMissing},
		{"a method without a rule takes its service's: allowed", "Default", plain, schematest.Pass},

		{"a kind asks for a token first", "Kinds", nobody, auth.TokenMissing},
		{"one of two kinds", "Kinds", of(auth.KindSession), schematest.Pass},
		{"the other of two kinds", "Kinds", of(auth.KindOAuth), schematest.Pass},
		{"a kind that is not named", "Kinds", of(auth.KindMachine), auth.KindNotAllowed},
		{"a session where a template is asked for", "Template", of(auth.KindSession), auth.KindNotAllowed},
		{"a template where one is asked for", "Template", of(auth.KindTemplate), schematest.Pass},
		{"a machine where one is asked for", "Machine", of(auth.KindMachine), schematest.Pass},
		{"a user where a machine is asked for", "Machine", of(auth.KindSession), auth.KindNotAllowed},

		{"no organization", "Organization", plain, auth.OrganizationRequired},
		{"a role is no organization", "Organization", admin, auth.OrganizationRequired},
		{"an organization", "Organization", &auth.Identity{Organization: auth.Organization{ID: "org_acme"}}, schematest.Pass},

		{"a role asks for a token first", "Role", nobody, auth.TokenMissing},
		{"a role that is not there", "Role", plain, auth.RoleRequired},
		{"one of the roles is enough", "Role", admin, schematest.Pass},
		{"a permission that is not there", "Permission", plain, auth.PermissionRequired},
		{"one of two permissions is not enough", "Permission", reader, auth.PermissionRequired},
		{"all permissions", "Permission", deleter, schematest.Pass},
		{"a scope that is not there", "Scope", plain, auth.ScopeRequired},
		{"one of two scopes is not enough", "Scope", &auth.Identity{Scopes: []string{"email"}}, auth.ScopeRequired},
		{"all scopes", "Scope", scoped, schematest.Pass},

		{"a feature that is not there", "Feature", plain, auth.FeatureRequired},
		{"one of the features is enough", "Feature", &auth.Identity{Features: []string{"u:invoices"}}, schematest.Pass},
		{"a feature of the organization where the user's is asked for", "Feature", &auth.Identity{Features: []string{"o:gold"}}, auth.FeatureRequired},
		{"a plan that is not there", "Plan", plain, auth.FeatureRequired},
		{"one of the plans is enough", "Plan", &auth.Identity{Plans: []string{"o:enterprise"}}, schematest.Pass},
		{"a feature is no plan", "Plan", &auth.Identity{Features: []string{"o:pro"}}, auth.FeatureRequired},
		{"a feature without the plan is not enough", "Both", &auth.Identity{Features: []string{"o:invoices"}}, auth.FeatureRequired},
		{"a plan without the feature is not enough", "Both", &auth.Identity{Plans: []string{"o:pro"}}, auth.FeatureRequired},

		{"strict_mfa: both factors fresh", "StrictMFA", fresh(5, 5), schematest.Pass},
		{"strict_mfa: an old first factor", "StrictMFA", fresh(30, 5), auth.ReverificationRequired},
		{"strict: a fresh second factor", "Strict", fresh(30, 5), schematest.Pass},
		{"strict: at the limit", "Strict", fresh(10, -1), auth.ReverificationRequired},
		{"moderate: within the hour", "Moderate", fresh(-1, 59), schematest.Pass},
		{"moderate: after the hour", "Moderate", fresh(0, 60), auth.ReverificationRequired},
		{"lax: within the day", "Lax", fresh(-1, 1439), schematest.Pass},
		{"lax: a token that does not say", "Lax", plain, auth.ReverificationRequired},
		{"custom: a fresh first factor", "First", fresh(4, 30), schematest.Pass},
		{"custom: an old first factor", "First", fresh(5, 0), auth.ReverificationRequired},
		{"custom: a fresh second factor", "Second", fresh(30, 4), schematest.Pass},
		{"custom: one of two factors is not enough", "Multi", fresh(4, 5), auth.ReverificationRequired},
		{"custom: both factors", "Multi", fresh(4, 4), schematest.Pass},

		{"a condition on the identity that holds", "Condition", &auth.Identity{Subject: "user_ada"}, schematest.Pass},
		{"a condition on the identity that does not", "Condition", &auth.Identity{Subject: "user_eve"}, auth.ConditionNotMet},
		{"a condition asks for a token first", "Condition", nobody, auth.TokenMissing},

		{"every part holds", "Everything", all(func(*auth.Identity) {}), schematest.Pass},
		{"every part must hold: the kind", "Everything", all(func(id *auth.Identity) { id.Kind = auth.KindOAuth }), auth.KindNotAllowed},
		{"every part must hold: the organization", "Everything", all(func(id *auth.Identity) { id.Organization = auth.Organization{} }), auth.OrganizationRequired},
		{"every part must hold: the role", "Everything", all(func(id *auth.Identity) { id.Roles = nil }), auth.RoleRequired},
		{"every part must hold: the permission", "Everything", all(func(id *auth.Identity) { id.Permissions = nil }), auth.PermissionRequired},
		{"every part must hold: the scope", "Everything", all(func(id *auth.Identity) { id.Scopes = nil }), auth.ScopeRequired},
		{"every part must hold: the feature", "Everything", all(func(id *auth.Identity) { id.Features = nil }), auth.FeatureRequired},
		{"every part must hold: the plan", "Everything", all(func(id *auth.Identity) { id.Plans = nil }), auth.FeatureRequired},
		{"every part must hold: the verification", "Everything", all(func(id *auth.Identity) { id.FactorAges = nil }), auth.ReverificationRequired},
		{"every part must hold: the condition", "Everything", all(func(id *auth.Identity) { id.Subject = "user_eve" }), auth.ConditionNotMet},
		{"the first part that does not hold gives the reason", "Everything", plain, auth.KindNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			schematest.AssertReason(t, p.Rule(schematest.Procedure(tt.method)).Check(tt.caller), tt.want)
		})
	}
}

func TestIgnoreInvalid(t *testing.T) {
	t.Parallel()
	lenient := schematest.Public()
	lenient.GetPublic().IgnoreInvalid = true
	p := schematest.NewPolicy(t, schematest.NewSchema(t, nil, schematest.Rules{"Public": schematest.Public(), "Lenient": lenient, "Authenticated": schematest.Authenticated()}))
	for method, want := range map[string]bool{"Public": false, "Lenient": true, "Authenticated": false} {
		rule, ok := p.Rule(schematest.Procedure(method)).(auth.LenientRule)
		if got := ok && rule.IgnoreInvalid(); got != want {
			t.Errorf("%s ignores an invalid token: %t", method, got)
		}
	}
}

func TestOnlyAConditionOnTheRequestNeedsMessages(t *testing.T) {
	t.Parallel()
	p := schematest.NewPolicy(t, schematest.NewSchema(t, nil, schematest.Rules{
		"Role":     schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}}),
		"Identity": schematest.Condition("identity.subject == 'user_ada'"),
		"Request":  schematest.Condition("request.owner == identity.subject"),
	}))
	for method, want := range map[string]bool{"Role": false, "Identity": false, "Request": true} {
		if _, got := p.Rule(schematest.Procedure(method)).(auth.MessageRule); got != want {
			t.Errorf("%s needs messages: %t", method, got)
		}
	}
}

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

// TestReverificationByAuthTime is that of tokens which say when their user signed in,
// and how, but have no age for each factor.
func TestReverificationByAuthTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ofClass := func(r *policyv1.Reverification, acr ...string) *policyv1.Reverification {
		return &policyv1.Reverification{Freshness: r.GetFreshness(), AnyAcr: acr}
	}
	first := schematest.Custom(5, policyv1.Reverification_LEVEL_FIRST)
	second := schematest.Custom(5, policyv1.Reverification_LEVEL_SECOND)
	strict := schematest.Preset(policyv1.Reverification_PRESET_STRICT_MFA)
	caller := func(ago time.Duration, acr string, amr ...string) *auth.Identity {
		return &auth.Identity{IssuedAt: now.Add(-ago), AuthTime: now.Add(-ago), ACR: acr, AMR: amr}
	}
	const again = auth.ReverificationRequired
	for _, tt := range []struct {
		name   string
		asked  *policyv1.Reverification
		caller *auth.Identity
		want   auth.Reason
		cause  string
	}{
		{"lately", first, caller(4*time.Minute, ""), schematest.Pass, ""},
		{"at the limit, though the token was issued then", first, caller(5*time.Minute, ""), again, "a verification within 5 minutes, level first"},
		{"the token does not say", first, &auth.Identity{IssuedAt: now}, again, "the token does not say when"},
		{"a second factor that nothing proves", second, caller(time.Minute, "gold", "pwd"), again, "level second"},
		{"a second factor that amr proves", second, caller(time.Minute, "", "pwd", "otp"), schematest.Pass, ""},
		{"both factors", strict, caller(time.Minute, "", "mfa"), schematest.Pass, ""},
		{"both factors, long ago", strict, caller(10*time.Minute, "", "mfa"), again, "level multi"},
		{"a class", ofClass(nil, "phr", "phrh"), caller(48*time.Hour, "phrh"), schematest.Pass, ""},
		{"a class, of a token without auth_time", ofClass(nil, "phr"), &auth.Identity{ACR: "phr"}, schematest.Pass, ""},
		{"another class", ofClass(nil, "phr", "phrh"), caller(0, "pwd"), again, `a verification of class "phr" or "phrh"`},
		{"a class in other letters", ofClass(nil, "phr"), caller(0, "PHR"), again, `of class "phr"`},
		{"a class that begins alike", ofClass(nil, "phr"), caller(0, "phrh"), again, `of class "phr"`},
		{"no class", ofClass(nil, "phr"), caller(0, ""), again, `of class "phr"`},
		{"a class lately", ofClass(first, "phr"), caller(time.Minute, "phr"), schematest.Pass, ""},
		{"a class long ago", ofClass(first, "phr"), caller(time.Hour, "phr"), again, `within 5 minutes, level first of class "phr"`},
		{"another class lately", ofClass(first, "phr"), caller(time.Minute, "pwd"), again, `of class "phr"`},
		{"a class proves no second factor", ofClass(second, "phr"), caller(time.Minute, "phr"), again, "level second"},
		{"a class beside Clerk's ages", ofClass(first, "phr"), &auth.Identity{FactorAges: &auth.FactorAges{Second: -1}}, again, `of class "phr"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules, err := policy.New(policy.Now(func() time.Time { return now }), policy.Override("/p", schematest.Require(&policyv1.Require{Reverification: tt.asked})))
			if err != nil {
				t.Fatal(err)
			}
			err = rules.Rule("/p").Check(tt.caller)
			schematest.AssertReason(t, err, tt.want)
			if err != nil && !strings.Contains(auth.AsError(err).Cause.Error(), tt.cause) {
				t.Errorf("the cause is %v, want %q", auth.AsError(err).Cause, tt.cause)
			}
		})
	}
}

func TestWithoutAClockTheTimeOfTheMachineCounts(t *testing.T) {
	t.Parallel()
	strict := schematest.Preset(policyv1.Reverification_PRESET_STRICT)
	rules, err := policy.New(policy.Now(nil), policy.Override("/p", schematest.Require(&policyv1.Require{Reverification: strict})))
	if err != nil {
		t.Fatal(err)
	}
	schematest.AssertReason(t, rules.Rule("/p").Check(&auth.Identity{AuthTime: time.Now(), AMR: []string{"mfa"}}), schematest.Pass)
	schematest.AssertReason(t, rules.Rule("/p").Check(&auth.Identity{AuthTime: time.Now().Add(-time.Hour), AMR: []string{"mfa"}}), auth.ReverificationRequired)
}
