package policy_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func public() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}
}

func authenticated() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

// register makes a schema known as generated code does: one service with the
// given default rule and methods.
func register(t *testing.T, service string, fallback *policyv1.Rule, methods map[string]*policyv1.Rule) string {
	t.Helper()
	pkg := "test." + strings.ToLower(service) + ".v1"
	s := &descriptorpb.ServiceDescriptorProto{Name: proto.String(service)}
	if fallback != nil {
		s.Options = &descriptorpb.ServiceOptions{}
		proto.SetExtension(s.Options, policyv1.E_DefaultRule, fallback)
	}
	for name, rule := range methods {
		m := &descriptorpb.MethodDescriptorProto{
			Name:       proto.String(name),
			InputType:  proto.String("." + pkg + ".Empty"),
			OutputType: proto.String("." + pkg + ".Empty"),
		}
		if rule != nil {
			m.Options = &descriptorpb.MethodOptions{}
			proto.SetExtension(m.Options, policyv1.E_Rule, rule)
		}
		s.Method = append(s.Method, m)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:        proto.String("test/" + strings.ToLower(service) + "/v1/service.proto"),
		Package:     proto.String(pkg),
		Syntax:      proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Empty")}},
		Service:     []*descriptorpb.ServiceDescriptorProto{s},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	return pkg + "." + service
}

func TestRules(t *testing.T) {
	t.Parallel()
	name := register(t, "Rules", authenticated(), map[string]*policyv1.Rule{
		"Public":     public(),
		"Default":    nil,
		"Role":       require(&policyv1.Require{AnyRole: []string{"admin", "owner"}}),
		"Permission": require(&policyv1.Require{AllPermissions: []string{"invoices:read", "org:invoices:delete"}}),
		"Scope":      require(&policyv1.Require{AllScopes: []string{"profile", "email"}}),
		"Everything": require(&policyv1.Require{
			AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"}, AllScopes: []string{"email"},
		}),
	})
	p, err := policy.New(policy.Services(name))
	if err != nil {
		t.Fatal(err)
	}
	nobody := (*auth.Identity)(nil)
	plain := &auth.Identity{}
	admin := &auth.Identity{Roles: []string{"org:admin"}}
	reader := &auth.Identity{Permissions: []string{"org:invoices:read"}}
	deleter := &auth.Identity{Permissions: []string{"org:invoices:delete", "org:invoices:read"}}
	scoped := &auth.Identity{Scopes: []string{"email", "profile"}}
	all := &auth.Identity{Roles: admin.Roles, Permissions: deleter.Permissions, Scopes: scoped.Scopes}
	const pass = auth.Reason(255)

	for _, tt := range []struct {
		name   string
		method string
		caller *auth.Identity
		want   auth.Reason
	}{
		{"a public method takes anybody", "Public", nobody, pass},
		{"a public method takes a known caller", "Public", plain, pass},
		{"a method without a rule takes its service's: refused", "Default", nobody, auth.TokenMissing},
		{"a method without a rule takes its service's: allowed", "Default", plain, pass},
		{"a role asks for a token first", "Role", nobody, auth.TokenMissing},
		{"a role that is not there", "Role", plain, auth.RoleRequired},
		{"one of the roles is enough", "Role", admin, pass},
		{"a permission that is not there", "Permission", plain, auth.PermissionRequired},
		{"one of two permissions is not enough", "Permission", reader, auth.PermissionRequired},
		{"all permissions", "Permission", deleter, pass},
		{"a scope that is not there", "Scope", plain, auth.ScopeRequired},
		{"one of two scopes is not enough", "Scope", &auth.Identity{Scopes: []string{"email"}}, auth.ScopeRequired},
		{"all scopes", "Scope", scoped, pass},
		{"every part must hold: the role does not", "Everything", deleter, auth.RoleRequired},
		{"every part must hold: the permission does not", "Everything", admin, auth.PermissionRequired},
		{"every part must hold: the scope does not", "Everything", &auth.Identity{Roles: admin.Roles, Permissions: reader.Permissions}, auth.ScopeRequired},
		{"every part holds", "Everything", all, pass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := p.Rule("/" + name + "/" + tt.method).Check(tt.caller)
			reason, refused := auth.ReasonOf(err)
			if tt.want == pass && err != nil || tt.want != pass && (!refused || reason != tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	name := register(t, "Faulty", nil, map[string]*policyv1.Rule{
		"Fine":       authenticated(),
		"Bare":       nil,
		"Empty":      {},
		"Nothing":    require(&policyv1.Require{}),
		"Blank":      require(&policyv1.Require{AnyRole: []string{""}}),
		"Spaced":     require(&policyv1.Require{AllScopes: []string{"read write"}}),
		"PrefixOnly": require(&policyv1.Require{AnyRole: []string{"org:"}}),
	})
	_, err := policy.New(
		policy.Services(name, "acme.v1.Absent", "google.protobuf.Timestamp"),
		policy.Procedure("/in.go/Rule", nil),
	)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"/" + name + "/Bare (test/faulty/v1/service.proto): no rule",
		"/" + name + "/Empty (test/faulty/v1/service.proto): the rule is empty",
		"/" + name + "/Nothing (test/faulty/v1/service.proto): require names nothing",
		"/" + name + "/Blank (test/faulty/v1/service.proto): require holds an empty",
		"/" + name + "/Spaced (test/faulty/v1/service.proto): require holds an empty",
		"/" + name + "/PrefixOnly (test/faulty/v1/service.proto): require holds an empty",
		"service acme.v1.Absent: its schema is not registered",
		"service google.protobuf.Timestamp: google/protobuf/timestamp.proto declares something else",
		"/in.go/Rule: no rule",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "/Fine") {
		t.Errorf("the error names a method that is in order:\n%v", err)
	}
}

func TestARuleFromANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	const unknownField = "\xba\x3e\x01x" // field 999, one byte
	newer := func(part proto.Message) { part.ProtoReflect().SetUnknown([]byte(unknownField)) }

	top, inPublic, inAuthenticated, inRequire := public(), public(), authenticated(), require(&policyv1.Require{AnyRole: []string{"admin"}})
	newer(top)
	newer(inPublic.GetPublic())
	newer(inAuthenticated.GetAuthenticated())
	newer(inRequire.GetRequire())
	for name, rule := range map[string]*policyv1.Rule{
		"in the rule": top, "in public": inPublic, "in authenticated": inAuthenticated, "in require": inRequire,
	} {
		if _, err := policy.New(policy.Procedure("/p", rule)); err == nil || !strings.Contains(err.Error(), "does not know") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProcedureWinsOverTheSchema(t *testing.T) {
	t.Parallel()
	const procedure = identityv1.IdentityService_WhoAmI_FullMethodName
	p, err := policy.New(
		policy.Procedure(procedure, public()),
		policy.Services(identityv1.IdentityService_ServiceDesc.ServiceName),
		policy.Procedure("/grpc.health.v1.Health/Check", authenticated()),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Rule(procedure).Check(nil); err != nil {
		t.Errorf("the rule given in Go does not win: %v", err)
	}
	if err := p.Rule("/grpc.health.v1.Health/Check").Check(nil); err == nil {
		t.Error("the built-in rule of health cannot be overridden")
	}
	if err := p.Rule("/grpc.health.v1.Health/Watch").Check(nil); err != nil {
		t.Errorf("health is not public: %v", err)
	}
	if rule := p.Rule("/acme.v1.Absent/Get"); rule != nil {
		t.Errorf("an unknown procedure has the rule %v", rule)
	}
}

func BenchmarkCheck(b *testing.B) {
	p, err := policy.New(policy.Procedure("/p", require(&policyv1.Require{
		AnyRole: []string{"admin"}, AllPermissions: []string{"invoices:read"},
	})))
	if err != nil {
		b.Fatal(err)
	}
	id := &auth.Identity{Roles: []string{"org:admin"}, Permissions: []string{"org:invoices:delete", "org:invoices:read"}}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Rule("/p").Check(id); err != nil {
			b.Fatal(err)
		}
	}
}
