package policy_test

import (
	"testing"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func TestAnOverrideWinsOverTheSchema(t *testing.T) {
	t.Parallel()
	const whoAmI = identityv1.IdentityService_WhoAmI_FullMethodName
	p, err := policy.New(
		policy.Configured("ostiary.yaml", whoAmI, public()),
		policy.Override(whoAmI, authenticated()),
		policy.Services(identityv1.IdentityService_ServiceDesc.ServiceName),
		policy.Override("/grpc.health.v1.Health/Check", authenticated()),
		policy.Override("OPTIONS", public()),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		procedure string
		want      auth.Reason
	}{
		{"settings win over Go and the schema", whoAmI, pass},
		{"the schema's own", identityv1.IdentityService_WatchIdentity_FullMethodName, auth.TokenMissing},
		{"Go wins over what is built in", "/grpc.health.v1.Health/Check", auth.TokenMissing},
		{"health is public", "/grpc.health.v1.Health/Watch", pass},
		{"reflection is public", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", pass},
		{"a name of one's own", "OPTIONS", pass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReason(t, p.Rule(tt.procedure).Check(nil), tt.want)
		})
	}
	if rule := p.Rule("/acme.v1.Absent/Get"); rule != nil {
		t.Errorf("an unknown procedure has the rule %v", rule)
	}
}

func TestAnOverrideKnowsTheRequestOfALinkedSchema(t *testing.T) {
	t.Parallel()
	// Nobody names the service; its generated code is linked in all the same.
	_, err := policy.New(policy.Override(identityv1.IdentityService_WhoAmI_FullMethodName, condition("request == request")))
	if err != nil {
		t.Error(err)
	}
}

// Whoever gives another rule gives no other handler.
func TestWhatTheHandlerAsksStaysUnderAnotherRule(t *testing.T) {
	t.Parallel()
	admin := func() *policyv1.Rule { return require(&policyv1.Require{AnyRole: []string{"admin"}}) }
	file := newSchema(t, handled(authenticated(), "it is theirs"), rules{"M": nil})
	for _, tt := range []struct {
		name   string
		option policy.Option
		want   string
	}{
		{"the schema's own rule", policy.Files(), "a valid token; the handler also requires: it is theirs"},
		{"a rule in Go", policy.Override(procedure("M"), admin()), `a valid token; the role "admin"; the handler also requires: it is theirs`},
		{"a rule in the settings", policy.Configured("ostiary.yaml", procedure("M"), admin()), `a valid token; the role "admin"; the handler also requires: it is theirs`},
		{"a rule that says what the handler asks", policy.Override(procedure("M"), handled(admin(), "no more")), `a valid token; the role "admin"; the handler also requires: no more`},
		{"a public rule", policy.Override(procedure("M"), public()), "anybody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.New(policy.Files(file), tt.option)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range p.Entries() {
				if entry.Procedure == procedure("M") && entry.Access() != tt.want {
					t.Errorf("%q; want %q", entry.Access(), tt.want)
				}
			}
		})
	}
	given := admin()
	if _, err := policy.New(policy.Files(file), policy.Override(procedure("M"), given)); err != nil || given.GetHandlerRequires() != "" {
		t.Errorf("the rule that was given has changed: %v, %v", given, err)
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	p, err := policy.New(
		policy.Files(newSchema(t, authenticated(), rules{"Own": public(), "Default": nil, "Go": public(), "Settings": public()})),
		policy.Override(procedure("Go"), authenticated()),
		policy.Configured("ostiary.yaml", procedure("Settings"), authenticated()),
	)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]policy.Entry{}
	for i, entry := range p.Entries() {
		entries[entry.Procedure] = entry
		if before := p.Entries()[max(i-1, 0)].Procedure; before > entry.Procedure {
			t.Errorf("%s comes before %s", before, entry.Procedure)
		}
	}
	for _, tt := range []struct {
		procedure string
		origin    policy.Origin
		says      string
		public    bool
	}{
		{procedure("Own"), policy.Origin{Source: policy.MethodOption, File: schemaFile}, schemaFile, true},
		{procedure("Default"), policy.Origin{Source: policy.ServiceOption, File: schemaFile}, schemaFile, false},
		{procedure("Go"), policy.Origin{Source: policy.Code}, "Go", false},
		{procedure("Settings"), policy.Origin{Source: policy.Settings, File: "ostiary.yaml"}, "ostiary.yaml", false},
		{"/grpc.health.v1.Health/Check", policy.Origin{Source: policy.BuiltIn}, "built in", true},
	} {
		entry := entries[tt.procedure]
		_, isPublic := entry.Rule.GetAccess().(*policyv1.Rule_Public)
		if entry.Origin != tt.origin || entry.Origin.String() != tt.says || isPublic != tt.public {
			t.Errorf("%s: %v from %+v (%s)", tt.procedure, entry.Rule, entry.Origin, entry.Origin)
		}
	}
	if method := entries[procedure("Go")].Method; method == nil || method.Name() != "Go" {
		t.Errorf("the entry of an overridden method has the schema %v", method)
	}
}
