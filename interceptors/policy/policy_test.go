package policy_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

func TestAnOverrideWinsOverTheSchema(t *testing.T) {
	t.Parallel()
	const whoAmI = identityv1.IdentityService_WhoAmI_FullMethodName
	p, err := policy.New(
		policy.Configured("ostiary.yaml", whoAmI, schematest.Public()),
		policy.Override(whoAmI, schematest.Authenticated()),
		policy.Services(identityv1.IdentityService_ServiceDesc.ServiceName),
		policy.Override("/grpc.health.v1.Health/Check", schematest.Authenticated()),
		policy.Override("OPTIONS", schematest.Public()),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		procedure string
		want      auth.Reason
	}{
		{"settings win over Go and the schema", whoAmI, schematest.Pass},
		{"the schema's own", identityv1.IdentityService_WatchIdentity_FullMethodName, auth.TokenMissing},
		{"Go wins over what is built in", "/grpc.health.v1.Health/Check", auth.TokenMissing},
		{"health is public", "/grpc.health.v1.Health/Watch", schematest.Pass},
		{"reflection is public", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", schematest.Pass},
		{"a name of one's own", "OPTIONS", schematest.Pass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			schematest.AssertReason(t, p.Rule(tt.procedure).Check(nil), tt.want)
		})
	}
	if rule := p.Rule("/acme.v1.Absent/Get"); rule != nil {
		t.Errorf("an unknown procedure has the rule %v", rule)
	}
}

// A rule of one method wins over one of its whole service from the same source, in
// whatever order they come.
func TestARuleOfAWholeService(t *testing.T) {
	t.Parallel()
	const whoAmI, watch = identityv1.IdentityService_WhoAmI_FullMethodName, identityv1.IdentityService_WatchIdentity_FullMethodName
	name := identityv1.IdentityService_ServiceDesc.ServiceName
	admins := schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}})
	for title, tt := range map[string]struct {
		options       []policy.Option
		whoAmI, watch auth.Reason // of a caller without a role; TokenMissing stands for the schema's rule
		origin        policy.Origin
	}{
		"of a linked service": {
			[]policy.Option{policy.OverrideService(name, admins)},
			auth.RoleRequired, auth.RoleRequired, policy.Origin{Source: policy.SourceGo, Service: name},
		},
		"of a service that another option adds": {
			[]policy.Option{policy.OverrideService(name, admins), policy.Services(name)},
			auth.RoleRequired, auth.RoleRequired, policy.Origin{Source: policy.SourceGo, Service: name},
		},
		"before one of a method": {
			[]policy.Option{policy.OverrideService(name, admins), policy.Override(whoAmI, schematest.Public())},
			schematest.Pass, auth.RoleRequired, policy.Origin{Source: policy.SourceGo},
		},
		"after one of a method": {
			[]policy.Option{policy.Override(whoAmI, schematest.Public()), policy.OverrideService(name, admins)},
			schematest.Pass, auth.RoleRequired, policy.Origin{Source: policy.SourceGo},
		},
		"after another of the service": {
			[]policy.Option{policy.OverrideService(name, schematest.Public()), policy.OverrideService(name, admins)},
			auth.RoleRequired, auth.RoleRequired, policy.Origin{Source: policy.SourceGo, Service: name},
		},
		"of settings, which win over Go": {
			[]policy.Option{policy.Configured("f.yaml", "/"+name+"/*", admins), policy.Override(whoAmI, schematest.Public())},
			auth.RoleRequired, auth.RoleRequired, policy.Origin{Source: policy.SourceSettings, File: "f.yaml", Service: name},
		},
		"of settings, beside one of a method": {
			[]policy.Option{policy.Configured("f.yaml", whoAmI, schematest.Public()), policy.Configured("f.yaml", "/"+name+"/*", admins)},
			schematest.Pass, auth.RoleRequired, policy.Origin{Source: policy.SourceSettings, File: "f.yaml"},
		},
	} {
		p, err := policy.New(tt.options...)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		for procedure, want := range map[string]auth.Reason{whoAmI: tt.whoAmI, watch: tt.watch} {
			schematest.AssertReason(t, p.Rule(procedure).Check(&auth.Identity{Subject: "ada", Kind: auth.KindSession}), want)
		}
		for _, entry := range p.Entries() {
			if entry.Procedure == whoAmI && entry.Origin != tt.origin {
				t.Errorf("%s: the rule is of %+v; want %+v", title, entry.Origin, tt.origin)
			}
		}
	}
}

// A fault that a rule has with every method of a service is reported once.
func TestFaultsOfARuleOfAWholeService(t *testing.T) {
	t.Parallel()
	name := identityv1.IdentityService_ServiceDesc.ServiceName
	for title, tt := range map[string]struct {
		option policy.Option
		want   []string
	}{
		"a service that nobody knows": {policy.OverrideService("acme.v1.Gone", schematest.Public()), []string{"/acme.v1.Gone/*: the schema of this service is not registered: import the package that was generated from it"}},
		"a name that is none":         {policy.Configured("f.yaml", "/*", schematest.Public()), []string{"//* (f.yaml): no such service is known; correct the name, or add the schema that declares it"}},
		"a wildcard for methods": {
			policy.Configured("f.yaml", "/"+name+"/Who*", schematest.Public()),
			[]string{"/" + name + "/Who* (f.yaml): the service has no such method: correct the name, so that the rule applies to something"},
		},
		"a rule that cannot hold": {
			policy.Configured("f.yaml", "/"+name+"/*", schematest.Require(&policyv1.Require{AnyRole: []string{"org:*"}})),
			[]string{identityv1.IdentityService_WatchIdentity_FullMethodName + ` (f.yaml): any_role: "org:*" has a wildcard, which is not supported; list each name`},
		},
	} {
		_, err := policy.New(tt.option)
		if err == nil || err.Error() != strings.Join(tt.want, "\n") {
			t.Errorf("%s: %v; want %s", title, err, tt.want)
		}
	}
}

func TestAnOverrideMayReadTheRequestOfALinkedSchema(t *testing.T) {
	t.Parallel()
	// Nobody names the service; its generated code is linked in all the same.
	_, err := policy.New(policy.Override(identityv1.IdentityService_WhoAmI_FullMethodName, schematest.Condition("request == request")), condition.Enable())
	if err != nil {
		t.Error(err)
	}
}

// An override replaces the rule and not the handler.
func TestHandlerRequiresStaysUnderAnOverride(t *testing.T) {
	t.Parallel()
	admin := func() *policyv1.Rule { return schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}}) }
	file := schematest.NewSchema(t, schematest.Handled(schematest.Authenticated(), "it is theirs"), schematest.Rules{"M": nil})
	for _, tt := range []struct {
		name   string
		option policy.Option
		want   string
	}{
		{"the schema's own rule", policy.Files(), "a valid token; the handler also requires: it is theirs"},
		{"a rule in Go", policy.Override(schematest.Procedure("M"), admin()), `a valid token; the role "admin"; the handler also requires: it is theirs`},
		{"a rule in the settings", policy.Configured("ostiary.yaml", schematest.Procedure("M"), admin()), `a valid token; the role "admin"; the handler also requires: it is theirs`},
		{"a rule that says what the handler asks", policy.Override(schematest.Procedure("M"), schematest.Handled(admin(), "no more")), `a valid token; the role "admin"; the handler also requires: no more`},
		{"a public rule", policy.Override(schematest.Procedure("M"), schematest.Public()), "anybody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.New(policy.Files(file), tt.option, condition.Enable())
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range p.Entries() {
				if entry.Procedure == schematest.Procedure("M") && entry.Access() != tt.want {
					t.Errorf("%q; want %q", entry.Access(), tt.want)
				}
			}
		})
	}
	given := admin()
	if _, err := policy.New(policy.Files(file), policy.Override(schematest.Procedure("M"), given)); err != nil || given.GetHandlerRequires() != "" {
		t.Errorf("the rule that was given has changed: %v, %v", given, err)
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	p, err := policy.New(
		policy.Files(schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{"Own": schematest.Public(), "Default": nil, "Go": schematest.Public(), "Settings": schematest.Public()})),
		policy.Override(schematest.Procedure("Go"), schematest.Authenticated()),
		policy.Configured("ostiary.yaml", schematest.Procedure("Settings"), schematest.Authenticated()),
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
		{schematest.Procedure("Own"), policy.Origin{Source: policy.SourceMethod, File: schematest.SchemaFile}, schematest.SchemaFile, true},
		{schematest.Procedure("Default"), policy.Origin{Source: policy.SourceService, File: schematest.SchemaFile}, schematest.SchemaFile, false},
		{schematest.Procedure("Go"), policy.Origin{Source: policy.SourceGo}, "Go", false},
		{schematest.Procedure("Settings"), policy.Origin{Source: policy.SourceSettings, File: "ostiary.yaml"}, "ostiary.yaml", false},
		{"/grpc.health.v1.Health/Check", policy.Origin{Source: policy.SourceBuiltIn}, "built in", true},
	} {
		entry := entries[tt.procedure]
		_, isPublic := entry.Rule.GetAccess().(*policyv1.Rule_Public)
		if entry.Origin != tt.origin || entry.Origin.String() != tt.says || isPublic != tt.public {
			t.Errorf("%s: %v from %+v (%s)", tt.procedure, entry.Rule, entry.Origin, entry.Origin)
		}
	}
	if method := entries[schematest.Procedure("Go")].Method; method == nil || method.Name() != "Go" {
		t.Errorf("the entry of an overridden method has the schema %v", method)
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

// BenchmarkDecision is the cost of a rule without condition: at most 200 ns and
// no allocation.
func BenchmarkDecision(b *testing.B) {
	p := schematest.NewPolicy(b, schematest.NewSchema(b, nil, schematest.Rules{
		"Role": schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}}),
		"Everything": schematest.Require(&policyv1.Require{
			Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION}, Organization: true,
			AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}, AllScopes: []string{"email"},
			AnyFeature: []string{"invoices"}, AnyPlan: []string{"org:pro"}, Reverification: schematest.Preset(policyv1.Reverification_PRESET_STRICT),
		}),
	}))
	id := &auth.Identity{
		Kind: auth.KindSession, Organization: auth.Organization{ID: "org_acme"}, Roles: []string{"org:admin"},
		Permissions: []string{"org:invoices:delete", "org:invoices:read"}, Scopes: []string{"email"},
		Features: []string{"o:invoices"}, Plans: []string{"o:pro"}, FactorAges: verified(1, 1),
	}
	for _, method := range []string{"Role", "Everything"} {
		b.Run(method, func(b *testing.B) {
			at := schematest.Procedure(method)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Rule(at).Check(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestOverrideServiceClosesWhatIsBuiltIn has no schema of the service linked, as with the
// packages of connect-go.
func TestOverrideServiceClosesWhatIsBuiltIn(t *testing.T) {
	t.Parallel()
	const name = "grpc.reflection.v1alpha.ServerReflection"
	if _, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err == nil {
		t.Fatal("the schema is linked, so that this shows nothing")
	}
	rules, err := policy.New(policy.OverrideService(name, schematest.Authenticated()))
	if err != nil {
		t.Fatal(err)
	}
	if reason, _ := auth.ReasonOf(rules.Rule("/" + name + "/ServerReflectionInfo").Check(nil)); reason != auth.TokenMissing {
		t.Errorf("a stranger gets %v; want %v", reason, auth.TokenMissing)
	}
	if err := rules.Rule("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo").Check(nil); err != nil {
		t.Errorf("the other version is closed too: %v", err)
	}
}
