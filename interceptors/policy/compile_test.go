package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// maxAge returns a reverification of the first factor with any limit.
func maxAge(age *durationpb.Duration) *policyv1.Reverification {
	return &policyv1.Reverification{Freshness: &policyv1.Reverification_Custom_{
		Custom: &policyv1.Reverification_Custom{MaxAge: age, Level: policyv1.Reverification_LEVEL_FIRST},
	}}
}

func TestNewRefusesARuleThatCannotHold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		rule *policyv1.Rule
		want string
	}{
		{"no rule", nil, "no rule: set (ostiary.policy.v1.rule)"},
		{"an empty rule", &policyv1.Rule{}, "the rule is empty: set one of"},
		{"require without a part", schematest.Require(&policyv1.Require{}), "require names nothing"},
		{"an empty role", schematest.Require(&policyv1.Require{AnyRole: []string{""}}), `any_role: "" is empty`},
		{"a prefix without role", schematest.Require(&policyv1.Require{AnyRole: []string{"org:"}}), `any_role: "org:" is empty`},
		{"a role with a space", schematest.Require(&policyv1.Require{AnyRole: []string{"an admin"}}), `any_role: "an admin" holds a space`},
		{"a role with a control character", schematest.Require(&policyv1.Require{AnyRole: []string{"admin\x7f"}}), `holds a space, a comma or a control character`},
		{"a role that ends in a colon", schematest.Require(&policyv1.Require{AnyRole: []string{"org:admin:"}}), `any_role: "org:admin:" names no role`},
		{"two roles in one", schematest.Require(&policyv1.Require{AnyRole: []string{"admin,owner"}}), `any_role: "admin,owner" holds a space, a comma`},
		{"an empty permission", schematest.Require(&policyv1.Require{AllPermissions: []string{""}}), `all_permissions: "" is empty`},
		{"a permission with a gap", schematest.Require(&policyv1.Require{AllPermissions: []string{"org::read"}}), `all_permissions: "org::read" names no permission`},
		{"a permission with a wildcard", schematest.Require(&policyv1.Require{AllPermissions: []string{"org:notes:*"}}), `all_permissions: "org:notes:*" has a wildcard`},
		{"an empty scope", schematest.Require(&policyv1.Require{AllScopes: []string{""}}), `all_scopes: "" is empty`},
		{"two scopes in one", schematest.Require(&policyv1.Require{AllScopes: []string{"read write"}}), `all_scopes: "read write" is no scope (RFC 6749`},
		{"a scope that is not ASCII", schematest.Require(&policyv1.Require{AllScopes: []string{"größe"}}), `is no scope`},
		{"an empty feature", schematest.Require(&policyv1.Require{AnyFeature: []string{""}}), `any_feature: "" is empty`},
		{"a feature of nobody we know", schematest.Require(&policyv1.Require{AnyFeature: []string{"team:notes"}}), `any_feature: "team:notes" has a prefix that is unknown`},
		{"a plan without name", schematest.Require(&policyv1.Require{AnyPlan: []string{"org:"}}), `any_plan: "org:" names nothing`},
		{"no kind", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{0}}), "kinds: TOKEN_KIND_UNSPECIFIED is no kind"},
		{"an empty reverification", schematest.Require(&policyv1.Require{Reverification: &policyv1.Reverification{}}), "reverification: it is empty: set preset, custom or any_acr"},
		{"an empty class", schematest.Require(&policyv1.Require{Reverification: &policyv1.Reverification{AnyAcr: []string{"phr", ""}}}), `reverification.any_acr: "" is no class of authentication`},
		{"two classes in one", schematest.Require(&policyv1.Require{Reverification: &policyv1.Reverification{AnyAcr: []string{"phr phrh"}}}), `reverification.any_acr: "phr phrh" is no class of authentication that a client can ask for: write one acr, without spaces or quotes`},
		{"no preset", schematest.Require(&policyv1.Require{Reverification: schematest.Preset(0)}), "PRESET_UNSPECIFIED is no preset"},
		{"a limit of nothing", schematest.Require(&policyv1.Require{Reverification: schematest.Custom(0, policyv1.Reverification_LEVEL_FIRST)}), "a max_age of 0 seconds is shorter than tokens can show: set it to at least 60"},
		{"a limit of more than ten years", schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5_256_001, policyv1.Reverification_LEVEL_FIRST)}), "reverification: a max_age of 315360060 seconds is over ten years, which asks for next to nothing: set it to at most 315360000, or leave the reverification out"},
		{"a limit that no duration holds", schematest.Require(&policyv1.Require{Reverification: schematest.Custom(1<<32-1, policyv1.Reverification_LEVEL_FIRST)}), "reverification: a max_age of 257698037700 seconds is over ten years"},
		{"no limit", schematest.Require(&policyv1.Require{Reverification: maxAge(nil)}), "max_age is missing"},
		{"a limit of less than a minute", schematest.Require(&policyv1.Require{Reverification: maxAge(&durationpb.Duration{Seconds: 59})}), "a max_age of 59 seconds is shorter than tokens can show"},
		{"a limit below zero", schematest.Require(&policyv1.Require{Reverification: maxAge(&durationpb.Duration{Seconds: -60})}), "a max_age of -60 seconds is shorter than tokens can show"},
		{"a limit with a part of a second", schematest.Require(&policyv1.Require{Reverification: maxAge(&durationpb.Duration{Seconds: 60, Nanos: 1})}), "max_age is not a number of whole seconds"},
		{"a limit that is no duration", schematest.Require(&policyv1.Require{Reverification: maxAge(&durationpb.Duration{Seconds: 1 << 62})}), "max_age is not a number of whole seconds"},
		{"no level", schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5, 0)}), "LEVEL_UNSPECIFIED is no level"},
		{"a machine that is to verify itself", schematest.Require(&policyv1.Require{
			Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_MACHINE}, Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX),
		}), "a machine, the only kind that is allowed, is never verified"},
		{"a handler that asks for nothing", schematest.Handled(schematest.Authenticated(), " \n"), "handler_requires: it is blank: say what the handler asks of the caller, or leave it out"},
		{"a handler that asks for something of everybody", schematest.Handled(schematest.Public(), "it is theirs"), "handler_requires: anybody may call a public method, and nothing is asked of them: use authenticated or require"},
		{"a handler alone", schematest.Handled(&policyv1.Rule{}, "it is theirs"), "the rule is empty: set one of"},
		{"a handler beside require without a part", schematest.Handled(schematest.Require(&policyv1.Require{}), "it is theirs"), "require names nothing"},
		{"a condition that is not whole", schematest.Condition("request.owner =="), "condition, line 1, column 17: Syntax error"},
		{"a misspelt variable", schematest.Condition("reqest.owner == ''"), "condition, line 1, column 1: undeclared reference to 'reqest'"},
		{"a misspelt field of the request", schematest.Condition("request.ownr == identity.subject"), "column 8: undefined field 'ownr'"},
		{"a misspelt field of the identity", schematest.Condition("request.owner == identity.organization.ids"), "column 39: undefined field 'ids'"},
		{"a condition on a second line", schematest.Condition("request.owner == 'x' &&\n  request.ownr == 'x'"), "condition, line 2, column 10"},
		{"a comparison of two types", schematest.Condition("request.owner == 1"), "found no matching overload for '_==_'"},
		{"a condition that is a text", schematest.Condition("request.owner"), "it is of type string: write one that is true or false"},
		{"a condition that always holds", schematest.Condition("1 + 1 == 2"), "it names neither identity nor request"},
		{"a condition that never does", schematest.Condition("false"), "it names neither identity nor request"},
		{"a condition that holds, whatever stands beside it", schematest.Condition("true || request.owner == identity.subject"), "condition: it is true for every caller and every request"},
		{"a condition that fails, whatever stands beside it", schematest.Condition("request.owner == identity.subject && 1 > 2"), "condition: it is false for every caller and every request"},
		{"a kind that no token is of", schematest.Condition("identity.kind == 'robot'"), `condition, line 1, column 18: no token is of the kind "robot": use id, machine, oauth, session, template`},
		{"a kind that no token is of, first", schematest.Condition("'' == identity.kind"), `no token is of the kind ""`},
		{"a kind that every token is not of", schematest.Condition("identity.kind != 'Session'"), `no token is of the kind "Session"`},
		{"one of some kinds that no token is of", schematest.Condition("identity.kind in ['session', 'robot']"), `condition, line 1, column 30: no token is of the kind "robot"`},
		{"a kind of an identity in a list", schematest.Condition("[identity].exists(i, i.kind == 'user')"), `no token is of the kind "user"`},
		{"a condition on a role with a wildcard", schematest.Condition("request.owner == identity.subject || identity.hasRole('*')"), `condition, line 1, column 55: hasRole: "*" has a wildcard, which is not supported; list each name`},
		{"a condition on an empty role", schematest.Condition("identity.hasRole('org:')"), `hasRole: "org:" is empty`},
		{"a condition on a permission with a gap", schematest.Condition("identity.hasPermission('org::read')"), `hasPermission: "org::read" names no permission`},
		{"a condition on two scopes in one", schematest.Condition("identity.hasScope('read write')"), `hasScope: "read write" is no scope`},
		{"a condition on a feature of nobody we know", schematest.Condition("identity.hasFeature('team:notes')"), `hasFeature: "team:notes" has a prefix that is unknown`},
		{"a condition on a plan without name", schematest.Condition("identity.hasPlan('org:')"), `hasPlan: "org:" names nothing`},
		{"a duration that is none", schematest.Condition("identity.expire_time - identity.issue_time < duration('1 hour')"), "invalid duration argument"},
		{"a time that is none", schematest.Condition("identity.expire_time > timestamp('tomorrow')"), "invalid timestamp argument"},
		{"a list of several types", schematest.Condition("identity.subject in ['user_ada', 1]"), "expected type 'string' but found 'int'"},
		{"a clock", schematest.Condition("now() < identity.expire_time"), "undeclared reference to 'now'"},
		{"a pattern that is none", schematest.Condition("request.owner.matches('(')"), "invalid matches argument"},
		{"loops in loops in loops", schematest.Condition("request.tags.all(a, request.tags.all(b, request.tags.all(c, a == c)))"), "comprehension exceeds nesting limit"},
		{"more work than is ever done", schematest.Condition("[" + strings.Repeat("1,", 500) + "1].map(x, [" + strings.Repeat("1,", 500) + "1].map(y, x + y)).size() == identity.roles.size()"), "too much work"},
		{"a condition without end", schematest.Condition(strings.Repeat("identity.subject == '' || ", 1000) + "false"), "size exceeds limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.New(policy.Files(schematest.NewSchema(t, nil, schematest.Rules{"M": tt.rule})), condition.Enable())
			faults, ok := errors.AsType[policy.RuleErrors](err)
			if !ok {
				t.Fatalf("error %v", err)
			}
			for _, fault := range faults {
				if fault.Procedure != schematest.Procedure("M") || fault.Origin.File != schematest.SchemaFile {
					t.Errorf("the fault names %s in %s", fault.Procedure, fault.Origin)
				}
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error does not say %q:\n%v", tt.want, err)
			}
		})
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	file := schematest.NewSchema(t, schematest.Condition("request.nothing == ''"), schematest.Rules{
		"Fine":   schematest.Authenticated(),
		"Broken": nil,
		"Twice":  schematest.Require(&policyv1.Require{AnyRole: []string{""}, AllScopes: []string{"a b"}}),
	})
	_, err := policy.New(
		policy.Files(file),
		policy.Services("acme.v1.Absent", "google.protobuf.Timestamp"),
		policy.Override(schematest.Procedure("Absent"), schematest.Authenticated()),
		policy.Override("acme.v1.Notes/Get", schematest.Authenticated()),
		policy.Override("", schematest.Authenticated()),
		policy.Override("/in.go/Rule", nil),
		policy.Override("/http/Handler", schematest.Condition("request.owner == identity.subject")),
		policy.Configured("ostiary.yaml", "/in.yaml/Rule", &policyv1.Rule{}),
		condition.Enable(),
	)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		schematest.Procedure("Broken") + " (" + schematest.SchemaFile + "): condition, line 1, column 8: undefined field 'nothing'",
		schematest.Procedure("Twice") + " (" + schematest.SchemaFile + "): any_role: ",
		schematest.Procedure("Twice") + " (" + schematest.SchemaFile + "): all_scopes: ",
		schematest.Procedure("Absent") + ": the service has no such method",
		"acme.v1.Absent: the schema of this service is not registered",
		"google.protobuf.Timestamp: google/protobuf/timestamp.proto declares no service by that name",
		"acme.v1.Notes/Get: not a method name; write /package.Service/Method",
		": not a method name; write /package.Service/Method",
		"/in.go/Rule: no rule",
		"/http/Handler: condition, line 1, column 1: undeclared reference to 'request'",
		"without a schema there is no request, only identity",
		"/in.yaml/Rule (ostiary.yaml): the rule is empty",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "/Fine") {
		t.Errorf("the error names a method that is in order:\n%v", err)
	}
	if _, ok := errors.AsType[*policy.RuleError](err); !ok {
		t.Errorf("errors.AsType finds no *RuleError in %v", err)
	}
}

// A part that is invalid counts as present.
func TestAnInvalidPartIsTheOnlyFault(t *testing.T) {
	t.Parallel()
	_, err := policy.New(policy.Override("/p", schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{0}})))
	faults, ok := errors.AsType[policy.RuleErrors](err)
	if !ok || len(faults) != 1 || !strings.Contains(err.Error(), "kinds: TOKEN_KIND_UNSPECIFIED is no kind") {
		t.Errorf("error %v; want the one fault", err)
	}
}

func TestARuleFromANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	const unknownField = "\xba\x3e\x01x" // field 999, one byte
	newer := func(part proto.Message) { part.ProtoReflect().SetUnknown([]byte(unknownField)) }

	inRule, inPublic, inAuthenticated := schematest.Public(), schematest.Public(), schematest.Authenticated()
	inRequire := schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}})
	inReverification := schematest.Require(&policyv1.Require{Reverification: schematest.Preset(policyv1.Reverification_PRESET_LAX)})
	inCustom := schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5, policyv1.Reverification_LEVEL_FIRST)})
	// Whichever of the two parts is looked at first.
	inAccessOfAStream, inStream := streaming(schematest.Public(), &policyv1.StreamTerms{}), streaming(schematest.Public(), &policyv1.StreamTerms{})
	newer(inRule)
	newer(inPublic.GetPublic())
	newer(inAuthenticated.GetAuthenticated())
	newer(inRequire.GetRequire())
	newer(inReverification.GetRequire().GetReverification())
	newer(inCustom.GetRequire().GetReverification().GetCustom())
	newer(inAccessOfAStream.GetPublic())
	newer(inStream.GetStream())
	for name, rule := range map[string]*policyv1.Rule{
		"in the rule": inRule, "in public": inPublic, "in authenticated": inAuthenticated, "in require": inRequire,
		"in reverification": inReverification, "in custom": inCustom,
		"in public, beside a stream": inAccessOfAStream, "in the stream": inStream,
		"a kind":    schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION, 99}}),
		"a preset":  schematest.Require(&policyv1.Require{Reverification: schematest.Preset(99)}),
		"a level":   schematest.Require(&policyv1.Require{Reverification: schematest.Custom(5, 99)}),
		"the lease": streaming(schematest.Authenticated(), &policyv1.StreamTerms{Lease: 99}),
	} {
		if _, err := policy.New(policy.Override("/p", rule)); err == nil || !strings.Contains(err.Error(), "does not know") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// streaming returns the rule with terms for its streams.
func streaming(rule *policyv1.Rule, stream *policyv1.StreamTerms) *policyv1.Rule {
	rule.Stream = stream
	return rule
}

func TestTermsOfStreams(t *testing.T) {
	t.Parallel()
	hourly := &policyv1.StreamTerms{Lease: policyv1.StreamTerms_LEASE_UNTIL_EXPIRY, MaxLifetime: durationpb.New(time.Hour)}
	byHour := auth.StreamTerms{Lease: auth.LeaseUntilExpiry, MaxLifetime: time.Hour}
	for _, tt := range []struct {
		name string
		rule *policyv1.Rule
		want auth.StreamTerms
	}{
		{"a rule that does not speak of streams", schematest.Authenticated(), auth.StreamTerms{}},
		{"nothing set", streaming(schematest.Authenticated(), &policyv1.StreamTerms{}), auth.StreamTerms{}},
		{"renewable", streaming(schematest.Authenticated(), &policyv1.StreamTerms{Lease: policyv1.StreamTerms_LEASE_RENEWABLE}), auth.StreamTerms{Lease: auth.LeaseRenewable}},
		{"at open", streaming(schematest.Authenticated(), &policyv1.StreamTerms{Lease: policyv1.StreamTerms_LEASE_AT_OPEN}), auth.StreamTerms{Lease: auth.LeaseAtOpen}},
		{"of a public method", streaming(schematest.Public(), hourly), byHour},
		{"of a method for those who are signed in", streaming(schematest.Authenticated(), hourly), byHour},
		{"of a method with requirements", streaming(schematest.Require(&policyv1.Require{Organization: true}), hourly), byHour},
		{"of a method with a condition on the request", streaming(schematest.Condition("request.owner == identity.subject"), hourly), byHour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule, ok := schematest.NewPolicy(t, schematest.NewSchema(t, nil, schematest.Rules{"M": tt.rule})).Rule(schematest.Procedure("M")).(auth.StreamRule)
			if !ok || rule.Stream() != tt.want {
				t.Errorf("the rule %v; want terms %+v", rule, tt.want)
			}
		})
	}
}

func TestInvalidTermsOfStreamsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		stream *policyv1.StreamTerms
		want   string
	}{
		{"no time at all", &policyv1.StreamTerms{MaxLifetime: &durationpb.Duration{}}, "a max_lifetime of 0s"},
		{"less than none", &policyv1.StreamTerms{MaxLifetime: durationpb.New(-time.Second)}, "a max_lifetime of -1s"},
		{"a duration that is none", &policyv1.StreamTerms{MaxLifetime: &durationpb.Duration{Seconds: 1, Nanos: -1}}, "a max_lifetime of"},
	} {
		for name, rule := range map[string]*policyv1.Rule{
			"public": schematest.Public(), "authenticated": schematest.Authenticated(), "require": schematest.Require(&policyv1.Require{Organization: true}),
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				t.Parallel()
				_, err := policy.New(policy.Files(schematest.NewSchema(t, nil, schematest.Rules{"M": streaming(rule, tt.stream)})), condition.Enable())
				_, ok := errors.AsType[policy.RuleErrors](err)
				if !ok || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v; want one that says %q", err, tt.want)
				}
			})
		}
	}
}

// A program that compiles no conditions refuses each rule that has one, wherever
// the rule came from, and does not serve the method without it.
func TestAConditionWithoutAnEvaluatorIsAFault(t *testing.T) {
	t.Parallel()
	file := schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{
		"Plain":    nil,
		"Identity": schematest.Condition("identity.subject == 'user_ada'"),
		"Request":  schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}, Condition: "request.owner == identity.subject"}),
	})
	_, err := policy.New(policy.Files(file), policy.Override("/http/Handler", schematest.Condition("identity.subject == 'user_ada'")))
	faults, ok := errors.AsType[policy.RuleErrors](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	var named []string
	for _, fault := range faults {
		named = append(named, fault.Procedure)
		if !errors.Is(fault, policy.ErrNoEvaluator) {
			t.Errorf("%s: %v", fault.Procedure, fault.Err)
		}
	}
	if got, want := strings.Join(named, " "), schematest.Procedure("Identity")+" "+schematest.Procedure("Request")+" /http/Handler"; got != want {
		t.Errorf("faults of %s, want %s", got, want)
	}
	const remedy = "condition: this program does not evaluate conditions: pass condition.Enable() of package interceptors/policy/condition to policy.New, or as one of the Rules of ostiary.Config"
	if policy.ErrNoEvaluator.Error() != remedy {
		t.Errorf("%v", policy.ErrNoEvaluator)
	}
}

func TestAMessageOfAnotherTypeIsOurOwnFailure(t *testing.T) {
	t.Parallel()
	file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition("request.owner == identity.subject")})
	rule := schematest.NewPolicy(t, file).Rule(schematest.Procedure("M")).(auth.MessageRule)
	for _, message := range []any{nil, "text", &emptypb.Empty{}} {
		schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_ada"}, message), auth.AuthFailure)
	}
}
